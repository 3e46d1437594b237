import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { gradients, Graph, mean, scale, sizeOf } from '../../engine/index.js';
import { concat } from '../../engine/ops/concat.js';
import { assertRefused, checkOp } from '../helpers/check.js';
import { testEngine } from '../helpers/device.js';

const cases: [number, ...number[][]][] = [
  [0, [1], [1]],
  [0, [2, 3, 5, 7], [1, 3, 5, 7]],
  [1, [2, 4, 5, 7], [2, 13, 5, 7]],
  [1, [1, 1, 48], [1, 19, 48], [1, 2, 48]],
  [2, [3, 2, 100], [3, 2, 1]],
  [0, [2, 32], [4, 32]],
  [1, [1, 1, 64], [1, 4, 64], [1, 2, 64]],
  [0, ...Array.from({ length: 9 }, (_, n) => [n + 1, 5])],
];
for (const [axis, ...shapes] of cases) {
  test(`concat along ${axis}: ${shapes.map((s) => s.join('x')).join(' ')}`, () => checkOp({
    inputs: Object.fromEntries(shapes.map((shape, n) => [`x${n}`, shape])),
    build: (t) => concat(shapes.map((_, n) => t[`x${n}`]!), axis),
    reference: (v) => {
      const rows = sizeOf(shapes[0]!.slice(0, axis));
      const y: number[] = [];
      for (let r = 0; r < rows; r++) {
        shapes.forEach((shape, n) => {
          const columns = sizeOf(shape) / rows;
          y.push(...v[`x${n}`]!.subarray(r * columns, (r + 1) * columns));
        });
      }
      return y;
    },
  }));
}

test('concat of one tensor is that tensor', () => {
  const x = new Graph().input('x', [2, 3]);
  assert.is(concat([x], 1), x);
});

test('along the first axis, tensors of aligned sizes are computed in place', async () => {
  const engine = await testEngine();
  const g = engine.graph();
  const x = g.input('x', [2, 64]);
  const joined = concat([scale(x, 2), scale(x, 3)], 0);
  const [dx] = gradients(mean(joined), [x]);
  const program = await engine.compile({ y: scale(joined, 1), dx: dx! });
  assert.not.match(String(program), /concat|copy/);
  program.destroy();
});

test('shapes that do not fit are named', () => {
  const g = new Graph();
  const [a, b, c] = [g.input('a', [2, 3]), g.input('b', [3, 3]), g.input('c', [2, 3, 1])];
  assertRefused(() => concat([a, b], 1), /concat: .*axis 1: \[2, 3\] and \[3, 3\]/);
  assertRefused(() => concat([a, c], 0), /concat: .*\[2, 3\] and \[2, 3, 1\]/);
  assertRefused(() => concat([a, a], 2), /concat: axis 2 .*\[2, 3\]/);
  assertRefused(() => concat([], 0), /concat: no tensors/);
});

test.run();
