import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { gradients, mul, ShapeError, sizeOf, sum, type Tensor } from '../../engine/index.js';
import { crop, cropAt, flip, pad, slice } from '../../engine/ops/window.js';
import { assertClose, checkOp } from '../helpers/check.js';
import { testEngine } from '../helpers/device.js';
import { fill, golden, testImage } from '../helpers/golden.js';

/** y[p, i, j] = source(p, i, j) for all places of `planes` planes of h x w. */
function gather(planes: number, h: number, w: number, source: (p: number, i: number, j: number) => number): number[] {
  const y: number[] = [];
  for (let p = 0; p < planes; p++) for (let i = 0; i < h; i++) for (let j = 0; j < w; j++) y.push(source(p, i, j));
  return y;
}

for (const [shape, axis, start, end] of [[[1], 0, 0, 1], [[4, 5], 0, 1, 3], [[2, 7, 5], 1, 3, 7], [[2, 3, 40, 5], 2, 39, 40], [[3, 100], 1, 10, 99], [[4, 64], 0, 1, 3], [[1, 5, 128], 1, 4, 5]] as [number[], number, number, number][]) {
  test(`slice ${shape}, axis ${axis}, ${start} to ${end}`, () => {
    const [outer, n, inner] = [sizeOf(shape.slice(0, axis)), shape[axis]!, sizeOf(shape.slice(axis + 1))];
    return checkOp({
      inputs: { x: shape },
      build: ({ x }) => slice(x!, axis, start, end),
      reference: ({ x }) => gather(outer, end - start, inner, (p, i, j) => x![(p * n + start + i) * inner + j]!),
    });
  });
}

const mirror = (i: number, n: number): number => (i < 0 ? -i : i >= n ? 2 * (n - 1) - i : i);
for (const [shape, borders] of [
  [[1, 1, 1, 1], [0, 0, 0, 0]], [[1, 1, 2, 4], [3, 3, 1, 1]], [[2, 3, 5, 7], [1, 2, 3, 4]], [[1, 2, 9, 8], [-2, 3, 0, -4]], [[1, 4, 12, 11], [3, 3, 3, 3]],
] as [number[], [number, number, number, number]][]) {
  const [B, C, H, W] = shape as [number, number, number, number];
  const [left, right, top, bottom] = borders;
  const [h, w] = [H + top + bottom, W + left + right];
  for (const mode of ['zeros', 'reflect'] as const) {
    test(`pad ${mode} ${shape} by ${borders}`, () => checkOp({
      inputs: { x: shape },
      build: ({ x }) => pad(x!, borders, mode),
      reference: ({ x }) => gather(B * C, h, w, (p, u, v) => {
        const [i, j] = mode === 'zeros' ? [u - top, v - left] : [mirror(u - top, H), mirror(v - left, W)];
        return i < 0 || i >= H || j < 0 || j >= W ? 0 : x![(p * H + i) * W + j]!;
      }),
    }));
  }
}

test('crop', () => checkOp({
  inputs: { x: [2, 3, 9, 11] },
  build: ({ x }) => crop(x!, 2, 5, 7, 4),
  reference: ({ x }) => gather(6, 7, 4, (p, i, j) => x![(p * 9 + 2 + i) * 11 + 5 + j]!),
}));

for (const shape of [[1], [2, 3, 5, 7], [1, 3, 20, 21]]) {
  const W = shape.at(-1)!;
  test(`flip ${shape}`, () => checkOp({
    inputs: { x: shape },
    build: ({ x }) => flip(x!),
    reference: ({ x }) => gather(1, x!.length / W, W, (_, i, j) => x![i * W + W - 1 - j]!),
  }));
}

for (const flipped of [0, 1]) {
  test(`cropAt, flip ${flipped}`, () => checkOp({
    inputs: { x: [2, 3, 9, 11], at: [3] },
    values: { at: (_, i) => [2, 5, flipped][i]! },
    build: ({ x, at }) => cropAt(x!, at!, 7, 4),
    reference: ({ x }) => gather(6, 7, 4, (p, i, j) => x![(p * 9 + 2 + i) * 11 + 5 + (flipped ? 3 - j : j)]!),
    gradients: [],
  }));
}

for (const [name, build] of Object.entries<(x: Tensor) => Tensor>({ reflect_pad_3: (x) => pad(x, [3, 3, 3, 3], 'reflect'), flip })) {
  test(`golden ${name}`, async () => {
    const { get, tensors, meta, tolerance } = golden('ops');
    const engine = await testEngine();
    const g = engine.graph();
    const x = g.input('x', [1, 3, 37, 53]);
    const y = build(x);
    const seed = g.constant(fill(`${meta['tag']}.seed.${name}`, y.shape), y.shape);
    const program = await engine.compile({ y, dx: gradients(sum(mul(y, seed)), [x])[0]! });
    program.write(x, testImage(`${meta['tag']}.photo`, 37, 53));
    program.run();
    assertClose(name, await program.read('y'), get(name).data, tolerance(name));
    const dx = tensors.get(`grad.${name}`); // the flip has none
    if (dx) assertClose(`grad.${name}`, await program.read('dx'), dx.data, tolerance(`grad.${name}`));
  });
}

test('what is not inside x is refused', async () => {
  const x = (await testEngine()).graph().input('x', [1, 2, 8, 9]);
  const refuses = (build: () => Tensor, message: RegExp): void => assert.throws(build, (e: Error) => e instanceof ShapeError && message.test(e.message));
  refuses(() => slice(x, 1, 1, 3), /slice: 1 to 3 of axis 1 .*\[1, 2, 8, 9\]/);
  refuses(() => slice(x, 4, 0, 1), /slice: .*axis 4/);
  refuses(() => crop(x, 0, 5, 8, 5), /crop: 8x5 at row 0, column 5 .*\[1, 2, 8, 9\]/);
  refuses(() => pad(x, [9, 0, 0, 0], 'reflect'), /pad: .*\[9, 0, 0, 0\] on \[1, 2, 8, 9\]/);
  refuses(() => pad(x, [0, 0, -4, -4], 'zeros'), /window: sizes must be positive/);
  refuses(() => cropAt(x, x.graph.input('at', [3]), 9, 9), /cropAt: 9x9 .*\[1, 2, 8, 9\]/);
});

test.run();
