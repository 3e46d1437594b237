import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { gradients, Graph, sum } from '../../engine/index.js';
import { crossEntropy } from '../../engine/ops/crossEntropy.js';
import { assertRefused, checkOp } from '../helpers/check.js';

function reference(x: Float64Array, q: Float64Array, N: number): Float64Array {
  return Float64Array.from({ length: x.length / N }, (_, row) => {
    const values = x.subarray(row * N, (row + 1) * N);
    const peak = Math.max(...values);
    const lse = peak + Math.log(values.reduce((s, v) => s + Math.exp(v - peak), 0));
    return values.reduce((s, v, n) => s - q[row * N + n]! * (v - lse), 0);
  });
}

for (const shape of [[1, 1], [3, 5], [2, 3, 197], [5, 1030], [131, 2]]) {
  const N = shape.at(-1)!;
  test(`crossEntropy ${shape}`, () => checkOp({
    inputs: { x: shape, q: shape },
    values: { x: (v) => 6 * v, q: (v) => v * v }, // rows of q need not sum to one
    build: ({ x, q }) => crossEntropy(x!, q!),
    reference: ({ x, q }) => reference(x!, q!, N),
    gradients: ['x'],
    ...(N > 2 && { rowLength: 1 }), // of two classes, a loss may be smaller than the rounding of its logits
  }));
}

test('crossEntropy of sharp logits far from zero', () => checkOp({
  inputs: { x: [2, 9], q: [2, 9] },
  values: { x: (v, i) => 200 * v + (i < 9 ? -1e3 : 1e3), q: (v) => Math.abs(v) },
  build: ({ x, q }) => crossEntropy(x!, q!),
  reference: ({ x, q }) => reference(x!, q!, 9),
  gradients: [],
  rowLength: 1,
}));

test('crossEntropy of a likely class and of distributions of any length', () => checkOp({
  inputs: { x: [4, 5], q: [4, 5] },
  values: { x: (v, i) => v + (i % 5 === 0 ? 4 : 0), q: (_, i) => (i % 5 === 0 ? 10 ** -Math.floor(i / 5) : 0) },
  build: ({ x, q }) => crossEntropy(x!, q!),
  reference: ({ x, q }) => reference(x!, q!, 5),
  gradients: ['x'],
  rowLength: 1,
}));

test('crossEntropy: shapes that do not fit, and distributions, which have no gradient', () => {
  const g = new Graph();
  const [x, q] = [g.input('x', [2, 3]), g.input('q', [2, 3])];
  assertRefused(() => crossEntropy(x, g.input('r', [3, 2])), /crossEntropy: .*\[2, 3\] and \[3, 2\]/);
  assert.throws(() => gradients(sum(crossEntropy(x, q)), [q]), /crossEntropy: no gradient for the distributions/);
});

test.run();
