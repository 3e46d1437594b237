import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { concat, gradients, Graph, mul, schedule, sum, type Tensor } from '../../engine/index.js';
import { upsample2x } from '../../engine/ops/upsample2x.js';
import { checkGolden, checkOp, photo } from '../helpers/check.js';
import { gather } from '../helpers/plain.js';

/** Bilinear interpolation at half pixels, straight from its definition. */
function reference(x: Float64Array, H: number, W: number): number[] {
  const clamp = (v: number, n: number): number => Math.min(Math.max(v, 0), n - 1);
  return gather(x.length / (H * W), 2 * H, 2 * W, (p, u, v) => {
    const at = (i: number, j: number): number => x[(p * H + clamp(i, H)) * W + clamp(j, W)]!;
    const [sy, sx] = [(u + 0.5) / 2 - 0.5, (v + 0.5) / 2 - 0.5];
    const [i, j] = [Math.floor(sy), Math.floor(sx)];
    const [a, b] = [sy - i, sx - j];
    return (1 - a) * ((1 - b) * at(i, j) + b * at(i, j + 1)) + a * ((1 - b) * at(i + 1, j) + b * at(i + 1, j + 1));
  });
}

for (const shape of [[1, 1, 1, 1], [1, 2, 1, 4], [2, 3, 5, 7], [1, 8, 6, 9]]) {
  test(`upsample2x ${shape}`, () => checkOp({
    inputs: { x: shape },
    build: ({ x }) => upsample2x(x!),
    reference: ({ x }) => reference(x!, shape[2]!, shape[3]!),
  }));
}

for (const [shape, window] of [
  [[1, 2, 3, 4], { top: 0, left: 0, height: 5, width: 7 }],
  [[2, 3, 5, 7], { top: 1, left: 1, height: 9, width: 13 }],
  [[1, 1, 2, 2], { top: 2, left: 1, height: 1, width: 2 }],
] as const) {
  test(`upsample2x ${shape}, window ${Object.values(window)}`, () => checkOp({
    inputs: { x: shape },
    build: ({ x }) => upsample2x(x!, window),
    reference: ({ x }) => {
      const { top, left, height, width } = window;
      const [H, W] = [shape[2], shape[3]];
      const whole = reference(x!, H, W);
      return gather(shape[0] * shape[1], height, width, (p, i, j) => whole[(p * 2 * H + top + i) * 2 * W + left + j]!);
    },
  }));
}

test('a window beyond the enlarged picture is refused', () => {
  const x = new Graph().input('x', [1, 1, 2, 2]);
  const message = /window of 4 x 4 at 0, 1 reaches beyond twice \[1, 1, 2, 2\]/;
  assert.throws(() => upsample2x(x, { top: 0, left: 1, height: 4, width: 4 }), message);
});

test('golden upsample2x_bilinear', () => checkGolden('upsample2x_bilinear', photo, (x) => upsample2x(x)));

for (const B of [1, 2]) {
  test(`upsample2x after other planes, ${B} images: one launch each way, and none for their slice of the gradient`, async () => {
    const [H, W, S, C] = [3, 4, 2, 3];
    const window = { top: 0, left: 1, height: 5, width: 7 };
    const inputs = { x: [B, C, H, W], side: [B, S, 5, 7] };
    const build = ({ x, side }: Record<string, Tensor>) => concat([side!, upsample2x(x!, window)], 1);
    await checkOp({
      inputs,
      build,
      reference: ({ x, side }) => {
        const large = reference(x!, H, W).filter((_, i) => Math.floor(i / (2 * W)) % (2 * H) < 5 && i % (2 * W) >= 1);
        return gather(B, S + C, 35, (b, c, i) => (c < S ? side![(b * S + c) * 35 + i]! : large[(b * C + c - S) * 35 + i]!));
      },
    });
    const g = new Graph();
    const [x, side] = [g.input('x', inputs.x), g.input('side', inputs.side)];
    const y = build({ x, side });
    const [dx, ds] = gradients(sum(mul(y, g.input('weights', y.shape))), [x, side]) as [Tensor, Tensor];
    const names = schedule([y, dx, ds]).launches.map((n) => n.op.name).filter((n) => /upsample|concat|window/.test(n));
    assert.equal(names, ['upsample2xJoin', ...(B === 1 ? [] : ['window']), 'upsample2xBackward']);
  });
}

test.run();
