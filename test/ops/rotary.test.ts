import { test } from 'uvu';
import { Graph } from '../../engine/index.js';
import { rotary } from '../../engine/ops/rotary.js';
import { assertRefused, checkOp, type Values } from '../helpers/check.js';

/** Points (j, j + half) of queries and keys turned by the token's angles. */
function reference({ x, table }: Values, T: number, NH: number, HS: number): Float64Array {
  const [C, half] = [NH * HS, HS / 2];
  const y = x!.slice();
  for (let row = 0; row < x!.length / (3 * C); row++) {
    for (let head = 0; head < 2 * NH; head++) {
      for (let j = 0; j < half; j++) {
        const [cos, sin] = [table![((row % T) * 2) * half + j]!, table![((row % T) * 2 + 1) * half + j]!];
        const at = row * 3 * C + head * HS + j;
        y[at] = cos * x![at]! - sin * x![at + half]!;
        y[at + half] = sin * x![at]! + cos * x![at + half]!;
      }
    }
  }
  return y;
}

for (const [B, T, NH, HS] of [[1, 1, 1, 2], [2, 5, 3, 4], [1, 7, 2, 12], [2, 70, 2, 64]] as const) {
  test(`rotary ${[B, T, NH, HS]}`, () => checkOp({
    inputs: { x: [B, T, 3 * NH * HS], table: [T, 2, HS / 2] },
    build: ({ x, table }) => rotary(x!, table!, NH),
    reference: (values) => reference(values, T, NH, HS),
    gradients: ['x'],
  }));
}

test('rotary refuses odd heads and other tables', () => {
  const g = new Graph();
  assertRefused(() => rotary(g.input('x', [1, 2, 9]), g.input('table', [2, 2, 1]), 1), /rotary: heads of odd size 3/);
  assertRefused(() => rotary(g.input('x2', [1, 2, 12]), g.input('t2', [3, 2, 2]), 1),
    /rotary: the table must be \[2, 2, 2\], got \[3, 2, 2\]/);
  assertRefused(() => rotary(g.input('x3', [1, 2, 10]), g.input('t3', [2, 2, 2]), 1), /rotary: the last axis of qkv/);
});

test.run();
