import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { gradients, ShapeError, sum } from '../../engine/index.js';
import { crossEntropy } from '../../engine/ops/crossEntropy.js';
import { checkOp } from '../helpers/check.js';
import { testEngine } from '../helpers/device.js';

function reference(x: Float64Array, q: Float64Array, N: number): Float64Array {
  return Float64Array.from({ length: x.length / N }, (_, row) => {
    const values = x.subarray(row * N, (row + 1) * N);
    const peak = Math.max(...values);
    const lse = peak + Math.log(values.reduce((s, v) => s + Math.exp(v - peak), 0));
    return values.reduce((s, v, n) => s - q[row * N + n]! * (v - lse), 0);
  });
}

for (const shape of [[1, 1], [3, 5], [2, 3, 197], [5, 1030], [131, 2]]) {
  test(`crossEntropy ${shape}`, () => checkOp({
    inputs: { x: shape, q: shape },
    values: { x: (v) => 6 * v, q: (v) => v * v }, // rows of q need not sum to one
    build: ({ x, q }) => crossEntropy(x!, q!),
    reference: ({ x, q }) => reference(x!, q!, shape.at(-1)!),
    gradients: ['x'],
  }));
}

test('crossEntropy of sharp logits far from zero', () => checkOp({
  inputs: { x: [2, 9], q: [2, 9] },
  values: { x: (v, i) => 200 * v + (i < 9 ? -1e3 : 1e3), q: (v) => Math.abs(v) },
  build: ({ x, q }) => crossEntropy(x!, q!),
  reference: ({ x, q }) => reference(x!, q!, 9),
  gradients: [],
}));

test('crossEntropy: what does not fit, and what has no gradient', async () => {
  const g = (await testEngine()).graph();
  const [x, q] = [g.input('x', [2, 3]), g.input('q', [2, 3])];
  assert.throws(() => crossEntropy(x, g.input('r', [3, 2])), (e: Error) => e instanceof ShapeError && /crossEntropy: .*\[2, 3\] and \[3, 2\]/.test(e.message));
  assert.throws(() => gradients(sum(crossEntropy(x, q)), [q]), /crossEntropy: no gradient for the distributions/);
});

test.run();
