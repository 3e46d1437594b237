import { test } from 'uvu';
import { Graph, sizeOf, type Shape } from '../../engine/index.js';
import { crop, cropAt, flip, pad, slice } from '../../engine/ops/window.js';
import { assertRefused, checkGolden, checkOp, photo } from '../helpers/check.js';
import { gather, mirror } from '../helpers/plain.js';

const slices: [Shape, axis: number, start: number, end: number][] = [
  [[1], 0, 0, 1], [[4, 5], 0, 1, 3], [[2, 7, 5], 1, 3, 7], [[2, 3, 40, 5], 2, 39, 40], [[3, 100], 1, 10, 99], [[4, 64], 0, 1, 3],
  [[1, 5, 128], 1, 4, 5],
];
for (const [shape, axis, start, end] of slices) {
  test(`slice ${shape}, axis ${axis}, ${start} to ${end}`, () => {
    const [outer, n, inner] = [sizeOf(shape.slice(0, axis)), shape[axis]!, sizeOf(shape.slice(axis + 1))];
    return checkOp({
      inputs: { x: shape },
      build: ({ x }) => slice(x!, axis, start, end),
      reference: ({ x }) => gather(outer, end - start, inner, (p, i, j) => x![(p * n + start + i) * inner + j]!),
    });
  });
}

type Four = [number, number, number, number];
const pads: [shape: Four, borders: Four][] = [
  [[1, 1, 1, 1], [0, 0, 0, 0]], [[1, 1, 2, 4], [3, 3, 1, 1]], [[2, 3, 5, 7], [1, 2, 3, 4]], [[1, 2, 9, 8], [-2, 3, 0, -4]],
  [[1, 4, 12, 11], [3, 3, 3, 3]],
];
for (const [shape, borders] of pads) {
  const [B, C, H, W] = shape;
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

test('golden reflect_pad_3', () => checkGolden('reflect_pad_3', photo, (x) => pad(x, [3, 3, 3, 3], 'reflect')));
test('golden flip', () => checkGolden('flip', photo, flip));

test('windows outside x are refused', () => {
  const x = new Graph().input('x', [1, 2, 8, 9]);
  assertRefused(() => slice(x, 1, 1, 3), /slice: 1 to 3 of axis 1 .*\[1, 2, 8, 9\]/);
  assertRefused(() => slice(x, 4, 0, 1), /slice: .*axis 4/);
  assertRefused(() => crop(x, 0, 5, 8, 5), /crop: 8x5 at row 0, column 5 .*\[1, 2, 8, 9\]/);
  assertRefused(() => pad(x, [9, 0, 0, 0], 'reflect'), /pad: .*\[9, 0, 0, 0\] on \[1, 2, 8, 9\]/);
  assertRefused(() => pad(x, [0, 0, -4, -4], 'zeros'), /window: sizes must be positive/);
  assertRefused(() => cropAt(x, x.graph.input('at', [3]), 9, 9), /cropAt: 9x9 .*\[1, 2, 8, 9\]/);
});

test.run();
