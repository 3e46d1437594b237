/** The package's own version. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from './files.js';

const path = join(packageRoot, 'package.json');

export const version = (): string => (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
