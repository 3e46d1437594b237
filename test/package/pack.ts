/** `npm run pack:engine`. */
import { join } from 'node:path';
import { root } from '../helpers/sources.js';
import { ENGINE_PACKAGE, makeEnginePackage } from './enginePackage.js';

const folder = join(root, 'dist', ENGINE_PACKAGE);
makeEnginePackage(folder);
console.log(`${folder}: npm publish it from there`);
