/** The state that a branch begins with, under other options than those of its run. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { defaultOptions } from '../../model/method/options.js';
import { branchedState } from '../../model/training/branch.js';

const floats = (...values: number[]): Float32Array => Float32Array.from(values);
const before = { ...defaultOptions, ema: 0.999, lambdaPatches: 2, lambdaColours: 0, lambdaTexture: 0 };
const state = {
  counters: { warmStepsDone: 2, stepsDone: 10, updates: 12 },
  arrays: new Map([
    ['weights', floats(1, 2)], ['average', floats(3, 4)], ['m', floats(5, 6)], ['v', floats(7, 8)],
    ['losses', floats(0.1, 0.2, 0.3, 0.4, 1)],
  ]),
};
const arraysAfter = (options: Partial<typeof before>) =>
  Object.fromEntries(branchedState(state, before, { ...before, ...options }).arrays);

test('a state under the same options is the same', () => {
  assert.equal(branchedState(state, before, before), state);
});

test('a moving average begins at the weights, or ends', () => {
  assert.not('average' in arraysAfter({ ema: 0 }));
  const { average: _, ...raw } = Object.fromEntries(state.arrays);
  const begun = branchedState({ ...state, arrays: new Map(Object.entries(raw)) }, { ...before, ema: 0 }, before);
  assert.equal(begun.arrays.get('average'), floats(1, 2));
});

test('losses keep their terms; those of new ones are 0', () => {
  assert.equal(arraysAfter({ lambdaColours: 1 })['losses'], floats(0.1, 0.2, 0.3, 0.4, 0, 1));
  assert.equal(arraysAfter({ lambdaTexture: 1 })['losses'], floats(0.1, 0.2, 0.3, 0.4, 0, 1));
  assert.equal(arraysAfter({ lambdaPatches: 0 })['losses'], floats(0.1, 0.2, 0.3, 1));
});

test.run();
