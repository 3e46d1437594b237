import { test } from 'uvu';
import { Graph } from '../../engine/index.js';
import { unfold } from '../../engine/ops/unfold.js';
import { assertRefused, checkOp } from '../helpers/check.js';

function reference(x: Float64Array, [, C, H, W]: readonly number[], P: number, stride: number): number[] {
  const y: number[] = [];
  for (let i = 0; i + P <= H!; i += stride) {
    for (let j = 0; j + P <= W!; j += stride) {
      const row: number[] = [];
      for (let c = 0; c < C!; c++) {
        for (let a = 0; a < P; a++) for (let b = 0; b < P; b++) row.push(x[(c * H! + i + a) * W! + j + b]!);
      }
      while (row.length % 4) row.push(0);
      y.push(...row);
    }
  }
  return y;
}

for (const [shape, P, stride] of [
  [[1, 1, 1, 1], 1, 1], [[1, 3, 5, 5], 5, 2], [[1, 3, 12, 19], 5, 2], [[1, 2, 9, 7], 2, 3], [[1, 4, 6, 6], 3, 1],
] as const) {
  test(`unfold ${shape}, patches of ${P}, stride ${stride}`, () => checkOp({
    inputs: { x: shape },
    build: ({ x }) => unfold(x!, P, stride),
    reference: ({ x }) => reference(x!, shape, P, stride),
    gradients: [],
  }));
}

test('another image size needs no new pipeline', () => checkOp({
  inputs: { x: [1, 3, 9, 8] },
  build: ({ x }) => unfold(x!, 5, 2),
  reference: ({ x }) => reference(x!, [1, 3, 9, 8], 5, 2),
  gradients: [],
  resized: { x: [1, 3, 5, 31] },
}));

test('images smaller than a patch, and batches, are refused', () => {
  const g = new Graph();
  assertRefused(() => unfold(g.input('small', [1, 3, 4, 9]), 5, 2), /at least 5, got \[1, 3, 4, 9\]/);
  assertRefused(() => unfold(g.input('two', [2, 3, 9, 9]), 5, 2), /\[2, 3, 9, 9\]/);
});

test.run();
