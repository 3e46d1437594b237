import { test } from 'uvu';
import { Graph } from '../../engine/index.js';
import { blur } from '../../engine/ops/blur.js';
import { assertRefused, checkGolden, checkOp, photo } from '../helpers/check.js';
import { mirror } from '../helpers/plain.js';

function reference(x: Float64Array, H: number, W: number, sigma: number): number[] {
  const weight = (d: number): number => Math.exp(-(d ** 2) / (2 * sigma ** 2));
  const total = 1 + 2 * weight(1);
  return Array.from(x, (_, index) => {
    const [j, i, first] = [index % W, Math.floor(index / W) % H, Math.floor(index / (W * H)) * H];
    let sum = 0;
    for (const a of [-1, 0, 1]) {
      for (const b of [-1, 0, 1]) sum += weight(a) * weight(b) * x[(first + mirror(i + a, H)) * W + mirror(j + b, W)]!;
    }
    return sum / total ** 2;
  });
}

for (const shape of [[1, 1, 2, 2], [2, 3, 5, 7], [1, 3, 17, 31]]) {
  for (const [on, sigma] of [[1, 0.1], [1, 0.8], [1, 2], [0, 2]]) {
    test(`blur ${shape}, ${on ? `sigma ${sigma}` : 'off'}`, () => checkOp({
      inputs: { x: shape, draw: [2] },
      values: { draw: (_, i) => [on, sigma][i]! },
      build: ({ x, draw }) => blur(x!, draw!),
      reference: ({ x }) => (on ? reference(x!, shape[2]!, shape[3]!, sigma!) : x!),
      gradients: [],
    }));
  }
}

test('golden blur', () => checkGolden('blur', photo, (x) => blur(x, x.graph.constant(Float32Array.of(1, 1.4)))));

test('an image too small to be mirrored is refused', () => {
  const g = new Graph();
  assertRefused(() => blur(g.input('x', [1, 3, 1, 9]), g.input('draw', [2])), /\[1, 3, 1, 9\]/);
});

test.run();
