import { test } from 'uvu';
import { Graph } from '../../engine/index.js';
import { boxFilter } from '../../engine/ops/boxFilter.js';
import { assertRefused, checkOp } from '../helpers/check.js';
import { gather, mirror } from '../helpers/plain.js';

function reference(x: Float64Array, [B, C, H, W]: readonly number[], r: number): number[] {
  return gather(B! * C!, H!, W!, (p, i, j) => {
    let sum = 0;
    for (let a = -r; a <= r; a++) {
      for (let b = -r; b <= r; b++) sum += x[(p * H! + mirror(i + a, H!)) * W! + mirror(j + b, W!)]!;
    }
    return sum / (2 * r + 1) ** 2;
  });
}

for (const [shape, radius] of [[[1, 1, 1, 1], 0], [[1, 2, 5, 7], 4], [[2, 3, 17, 9], 1], [[1, 21, 10, 33], 3]] as const) {
  test(`boxFilter ${shape}, radius ${radius}`, () => checkOp({
    inputs: { x: shape },
    build: ({ x }) => boxFilter(x!, radius),
    reference: ({ x }) => reference(x!, shape, radius),
    gradients: [],
  }));
}

test('another image size needs no new pipeline', () => checkOp({
  inputs: { x: [1, 3, 9, 8] },
  build: ({ x }) => boxFilter(x!, 2),
  reference: ({ x }) => reference(x!, [1, 3, 9, 8], 2),
  gradients: [],
  resized: { x: [1, 3, 5, 6] },
}));

test('a window beyond the mirrored image is refused', () => {
  const x = new Graph().input('x', [1, 3, 4, 9]);
  assertRefused(() => boxFilter(x, 4), /4 for \[1, 3, 4, 9\]/);
  assertRefused(() => boxFilter(x, 1.5), /1\.5 for/);
});

test.run();
