/** The engine and its models in Chromium, on its own software driver: a device with the default limits and no features. */
import { existsSync } from 'node:fs';
import { test } from 'uvu';
import { CHROMIUMS_DRIVER } from '../browser/browser.js';
import { testFiles, testSteps } from './declare.js';
import { quickest } from './places.js';

// Node's steps run on the same driver; Dawn reads the variable when it is loaded.
if (existsSync(CHROMIUMS_DRIVER)) process.env['VK_DRIVER_FILES'] = CHROMIUMS_DRIVER;
const { twelveSteps } = await import('./steps.js');

await testFiles('window', quickest);
await testSteps('worker', twelveSteps);
test.run();
