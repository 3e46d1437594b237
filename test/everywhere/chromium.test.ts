/** The engine and its models in Chromium, on its own software driver: a device with the default limits and no features. */
import { existsSync } from 'node:fs';
import { test } from 'uvu';
import { testFiles, testSteps } from './declare.js';
import { quickest } from './places.js';

/** Chromium's driver, for Node's steps; read when Dawn is loaded. */
const driver = '/usr/lib/chromium/vk_swiftshader_icd.json';
if (existsSync(driver)) process.env['VK_DRIVER_FILES'] = driver;
const { twelveSteps } = await import('./steps.js');

await testFiles('window', quickest);
await testSteps('worker', twelveSteps);
test.run();
