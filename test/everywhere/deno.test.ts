/** The engine and its models in Deno: another implementation of WebGPU on the same driver. */
import { test } from 'uvu';
import { testFiles, testSteps } from './declare.js';
import { quickest } from './places.js';
import { twelveSteps } from './steps.js';

await testFiles('deno', quickest);
await testSteps('deno', twelveSteps);
test.run();
