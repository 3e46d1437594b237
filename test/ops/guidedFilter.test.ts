import { test } from 'uvu';
import { Graph } from '../../engine/index.js';
import { applyGain, guidedGain } from '../../engine/ops/guidedFilter.js';
import { assertRefused, checkOp } from '../helpers/check.js';
import { gather, mirror } from '../helpers/plain.js';

type Size = readonly [H: number, W: number];

/** Positions of a window's pixels in a plane. */
function around(i: number, j: number, [H, W]: Size, r: number): number[] {
  const places: number[] = [];
  for (let a = -r; a <= r; a++) for (let b = -r; b <= r; b++) places.push(mirror(i + a, H) * W + mirror(j + b, W));
  return places;
}

const meanOf = (places: readonly number[], value: (p: number) => number): number =>
  places.reduce((sum, p) => sum + value(p), 0) / places.length;

/** x of A x = b by Gaussian elimination; A is positive definite. */
function solve(A: number[][], b: number[]): number[] {
  const n = b.length;
  const rows = A.map((row, i) => [...row, b[i]!]);
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < n; k++) {
      if (k === i) continue;
      const factor = rows[k]![i]! / rows[i]![i]!;
      rows[k] = rows[k]!.map((v, c) => v - factor * rows[i]![c]!);
    }
  }
  return rows.map((row, i) => row[n]! / row[i]!);
}

/** The gain of one window, [9]: for each colour of x a regression on the colours of the guide. */
function gainOf(guide: Float64Array, x: Float64Array, plane: number, places: readonly number[], eps: number): number[] {
  const covariance = (u: Float64Array, a: number, v: Float64Array, b: number): number => {
    const [ma, mb] = [meanOf(places, (p) => u[a * plane + p]!), meanOf(places, (p) => v[b * plane + p]!)];
    return meanOf(places, (p) => (u[a * plane + p]! - ma) * (v[b * plane + p]! - mb));
  };
  const A = [0, 1, 2].map((i) => [0, 1, 2].map((j) => covariance(guide, i, guide, j) + (i === j ? eps : 0)));
  const columns = [0, 1, 2].map((c) => solve(A, [0, 1, 2].map((i) => covariance(guide, i, x, c))));
  return [0, 1, 2].flatMap((i) => [0, 1, 2].map((c) => columns[c]![i]!));
}

function reference(guide: Float64Array, x: Float64Array, size: Size, r: number, eps: number): number[] {
  const [H, W] = size;
  const own = gather(1, H, W, (_, i, j) => i * W + j)
    .map((p) => gainOf(guide, x, H * W, around(Math.floor(p / W), p % W, size, r), eps));
  return gather(9, H, W, (k, i, j) => meanOf(around(i, j, size, r), (p) => own[p]![k]!));
}

const image = (value: number): number => 0.5 + 0.5 * value;

for (const [size, radius, eps] of [[[1, 1], 0, 1e-3], [[5, 7], 4, 1e-3], [[9, 13], 2, 1e-2]] as const) {
  test(`guidedGain ${size}, radius ${radius}, eps ${eps}`, () => checkOp({
    inputs: { guide: [1, 3, ...size], x: [1, 3, ...size] },
    values: { guide: image, x: image },
    build: ({ guide, x }) => guidedGain(guide!, x!, radius, eps),
    reference: ({ guide, x }) => reference(guide!, x!, size, radius, eps),
    gradients: [],
    rowLength: 9 * size[0] * size[1],
  }));
}

test('guidedGain of a grey guide, whose colours are one', () => checkOp({
  inputs: { guide: [1, 3, 6, 8], x: [1, 3, 6, 8] },
  values: { guide: (_, i) => 0.5 + 0.5 * Math.sin(1.7 * (i % 48)), x: image },
  build: ({ guide, x }) => guidedGain(guide!, x!, 2, 1e-3),
  reference: ({ guide, x }) => reference(guide!.map(Math.fround), x!, [6, 8], 2, 1e-3),
  gradients: [],
  tolerance: 1e-4, // the matrix is nearly singular
  rowLength: 9 * 48,
}));

for (const [B, H, W] of [[1, 1, 1], [2, 5, 7], [1, 19, 31]] as const) {
  test(`applyGain ${[B, H, W]}`, () => checkOp({
    inputs: { gain: [B, 9, H, W], x: [B, 3, H, W] },
    build: ({ gain, x }) => applyGain(gain!, x!),
    reference: ({ gain, x }) => gather(3 * B, H, W, (p, i, j) => {
      const [b, c, at] = [Math.floor(p / 3), p % 3, i * W + j];
      return [0, 1, 2].reduce((sum, k) => sum + gain![(9 * b + 3 * k + c) * H * W + at]! * x![(3 * b + k) * H * W + at]!, 0);
    }),
    gradients: [],
    rowLength: 3 * H * W,
  }));
}

test('guidedGain of two images is that of each', () => checkOp({
  inputs: { guide: [2, 3, 5, 6], x: [2, 3, 5, 6] },
  build: ({ guide, x }) => guidedGain(guide!, x!, 2, 0.1),
  reference: ({ guide, x }) => [0, 90].flatMap((at) =>
    reference(guide!.subarray(at, at + 90), x!.subarray(at, at + 90), [5, 6], 2, 0.1)),
  gradients: [],
  rowLength: 270,
}));

test('what is no pair of images of one size is refused', () => {
  const g = new Graph();
  const [x, other] = [g.input('x', [1, 3, 8, 9]), g.input('other', [1, 3, 9, 9])];
  assertRefused(() => guidedGain(x, other, 2, 1e-3), /\[1, 3, 8, 9\] and \[1, 3, 9, 9\]/);
  assertRefused(() => guidedGain(g.input('grey', [1, 1, 8, 9]), x, 2, 1e-3), /guide must be \[B, 3, H, W\], got \[1, 1, 8, 9\]/);
  assertRefused(() => applyGain(g.input('gain', [1, 3, 8, 9]), x), /nine values/);
});

test.run();
