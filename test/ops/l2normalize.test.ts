import { test } from 'uvu';
import { l2normalize } from '../../engine/ops/l2normalize.js';
import { checkOp } from '../helpers/check.js';

function reference(x: Float64Array, N: number): Float64Array {
  const y = new Float64Array(x.length);
  for (let from = 0; from < x.length; from += N) {
    const row = x.subarray(from, from + N);
    const length = Math.max(Math.sqrt(row.reduce((sum, v) => sum + v * v, 0)), 1e-12);
    y.set(row.map((v) => v / length), from);
  }
  return y;
}

for (const shape of [[2], [3, 5], [2, 3, 197], [70, 300]]) {
  test(`l2normalize ${shape}`, () => checkOp({
    inputs: { x: shape },
    build: ({ x }) => l2normalize(x!),
    reference: ({ x }) => reference(x!, shape.at(-1)!),
    rowLength: 1,
  }));
}

test('l2normalize of one number is its sign', () => checkOp({
  inputs: { x: [4, 1] },
  build: ({ x }) => l2normalize(x!),
  reference: ({ x }) => x!.map(Math.sign),
}));

test('l2normalize of tiny rows, and of zeros', () => checkOp({
  inputs: { x: [3, 7] },
  values: { x: (v, i) => (i < 7 ? 1e-15 * v : i < 14 ? 0 : 1e-5 * v) },
  build: ({ x }) => l2normalize(x!),
  reference: ({ x }) => reference(x!, 7),
  rowLength: 1,
  gradients: [],
}));

test.run();
