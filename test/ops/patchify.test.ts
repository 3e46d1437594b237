import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Graph, patchEmbed, patchify } from '../../engine/index.js';
import { checkOp } from '../helpers/check.js';
import { affine } from '../helpers/plain.js';

/** Rows of patches, plainly. */
function reference(x: Float64Array, [B, C, H, W]: readonly number[], P: number): Float64Array {
  const [rows, cols] = [Math.floor(H! / P), Math.floor(W! / P)];
  const y: number[] = [];
  for (let b = 0; b < B!; b++) for (let r = 0; r < rows; r++) for (let q = 0; q < cols; q++) {
    for (let c = 0; c < C!; c++) for (let i = 0; i < P; i++) for (let j = 0; j < P; j++) {
      y.push(x[((b * C! + c) * H! + r * P + i) * W! + q * P + j]!);
    }
  }
  return Float64Array.from(y);
}

for (const [shape, P] of [[[1, 1, 1, 1], 1], [[1, 3, 8, 8], 4], [[2, 3, 11, 17], 4], [[2, 1, 40, 33], 8]] as const) {
  test(`patchify ${shape}; ${P}`, () => checkOp({
    inputs: { x: shape },
    build: ({ x }) => patchify(x!, P),
    reference: ({ x }) => reference(x!, shape, P),
  }));
}

test('patchEmbed is a product of patches and flattened weights', () => checkOp({
  inputs: { x: [2, 3, 9, 12], w: [5, 3, 4, 4], b: [5] },
  build: ({ x, w, b }) => patchEmbed(x!, w!, b!),
  reference: ({ x, w, b }) => affine(reference(x!, [2, 3, 9, 12], 4), w!, b!),
}));

test('images smaller than a patch are refused', () => {
  assert.throws(() => patchify(new Graph().input('x', [1, 3, 7, 9]), 8), /patches of 8 do not fit into \[1, 3, 7, 9\]/);
});

test.run();
