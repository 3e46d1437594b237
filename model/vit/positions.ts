/** Position embeddings for image sizes other than the model's, by DINO's rule. */
import { cubic, tapsOf } from '../resample.js';
import type { Weight } from './config.js';

/** The coefficient of PyTorch's cubic convolution without antialiasing. */
const A = -0.75;

/** For each of `out` positions four source indices (clamped) and weights; `scale` is outputs per input as DINO passes it. */
function axis(n: number, out: number, scale: number): { index: number[]; weight: number[] }[] {
  return Array.from({ length: out }, (_, i) => {
    const x = (i + 0.5) / scale - 0.5;
    const [x0, t] = [Math.floor(x), x - Math.floor(x)];
    const index = [-1, 0, 1, 2].map((k) => Math.min(n - 1, Math.max(0, x0 + k)));
    return { index, weight: [t + 1, t, 1 - t, 2 - t].map((distance) => cubic(distance, A)) };
  });
}

/** Four taps of PyTorch's interpolation by DINO's scale, or those of its antialiased interpolation to a size. */
const tapsAlong = (n: number, out: number, antialias: boolean): { index: readonly number[]; weight: readonly number[] }[] =>
  (antialias
    ? tapsOf(n, out).map(({ first, weights }) => ({ index: weights.map((_, k) => first + k), weight: weights }))
    : axis(n, out, (out + 0.1) / n));

/**
 * `pos_embed` [1, 1 + g*g, C] for a grid of `rows` x `cols` patches: [1 + rows*cols, C], the CLS row first and unchanged. Bicubic
 * with exactly the scales (rows + 0.1)/g and (cols + 0.1)/g, as in DINO's `interpolate_pos_encoding` (facebookresearch/dino#8);
 * with `antialias` bicubic and antialiased to the grid's size, as DINOv2's models with registers do it. Unchanged if the grid is
 * the model's own.
 */
export function interpolatePositions({ shape, data }: Weight, rows: number, cols: number, antialias = false): Float32Array {
  const C = shape[2]!;
  const g = Math.round(Math.sqrt(shape[1]! - 1));
  if (rows === g && cols === g) return data;
  const ys = tapsAlong(g, rows, antialias);
  const xs = tapsAlong(g, cols, antialias);
  const result = new Float32Array((1 + rows * cols) * C);
  result.set(data.subarray(0, C));
  const row = new Float64Array(C);
  ys.forEach((y, r) => xs.forEach((x, c) => {
    row.fill(0);
    y.index.forEach((iy, ky) => x.index.forEach((ix, kx) => {
      const weight = y.weight[ky]! * x.weight[kx]!;
      const from = (1 + iy * g + ix) * C;
      for (let k = 0; k < C; k++) row[k]! += weight * data[from + k]!;
    }));
    result.set(row, (1 + r * cols + c) * C);
  }));
  return result;
}
