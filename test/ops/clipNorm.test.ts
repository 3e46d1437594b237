import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Graph } from '../../engine/index.js';
import { clipNorm } from '../../engine/ops/clipNorm.js';
import { assertRefused, checkOp } from '../helpers/check.js';

for (const N of [1, 77, 4096, 9001]) {
  for (const share of [0.25, 4]) {
    test(`${N} numbers, clipped to ${share} times their length`, () => {
      const roleOf = (i: number): number => (i % 5 === 3 ? -1 : i % 2);
      const most = share * Math.sqrt(N / 3);
      return checkOp({
        inputs: { x: [N], roles: [N] },
        values: { roles: (_, i) => roleOf(i) },
        build: ({ x, roles }) => clipNorm(x!, roles!, most),
        reference: ({ x }) => {
          const length = Math.hypot(...x!.filter((_, i) => roleOf(i) >= 0));
          return x!.map((v) => v * Math.min(1, most / (length + 1e-6)));
        },
        gradients: [],
      });
    });
  }
}

test('clipNorm: what does not fit is named', () => {
  const g = new Graph();
  assertRefused(() => clipNorm(g.input('x', [4]), g.input('roles', [5]), 1), /\[5\] and \[4\]/);
  for (const most of [0, NaN]) assert.throws(() => clipNorm(g.input('x', [4]), g.input('r', [4]), most), /must be positive/);
});

test.run();
