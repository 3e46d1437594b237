import { test } from 'uvu';
import { softmax } from '../../engine/ops/softmax.js';
import { checkGolden, checkOp, tokens } from '../helpers/check.js';

function reference(x: Float64Array, N: number): Float64Array {
  const y = new Float64Array(x.length);
  for (let row = 0; row < x.length; row += N) {
    const values = x.subarray(row, row + N);
    const peak = Math.max(...values);
    const total = values.reduce((s, v) => s + Math.exp(v - peak), 0);
    values.forEach((v, n) => (y[row + n] = Math.exp(v - peak) / total));
  }
  return y;
}

for (const shape of [[2], [3, 5], [2, 3, 197], [2, 300], [131, 2]]) {
  test(`softmax ${shape}`, () => checkOp({
    inputs: { x: shape },
    values: { x: (v) => 4 * v },
    build: ({ x }) => softmax(x!),
    reference: ({ x }) => reference(x!, shape.at(-1)!),
    rowLength: 1,
  }));
}

test('softmax of one is one', () => checkOp({
  inputs: { x: [4, 1] },
  build: ({ x }) => softmax(x!),
  reference: () => [1, 1, 1, 1],
}));

test('softmax far below and above zero', () => checkOp({
  inputs: { x: [2, 9] },
  values: { x: (v, i) => v + (i < 9 ? -1e4 : 1e4) },
  build: ({ x }) => softmax(x!),
  reference: ({ x }) => reference(x!, 9),
  rowLength: 1,
}));

test('softmax of probabilities down to 1e-30', () => checkOp({
  inputs: { x: [3, 40] },
  values: { x: (v, i) => v - 65 * (i % 2) },
  build: ({ x }) => softmax(x!),
  reference: ({ x }) => reference(x!, 40),
  gradients: [],
  rowLength: 1,
}));

test('softmax, golden', () => checkGolden('softmax', tokens(6), softmax));

test('a longer row needs no new pipeline', () => checkOp({
  inputs: { x: [2, 3] },
  build: ({ x }) => softmax(x!),
  reference: ({ x }) => reference(x!, 3),
  resized: { x: [2, 400] },
}));

test.run();
