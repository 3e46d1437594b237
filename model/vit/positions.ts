/** Position embeddings for other image sizes than the model was trained on, by DINO's rule. */
import type { Weight } from './config.js';

/** PyTorch's cubic convolution, a = -0.75, at distances 1+t, t, 1-t, 2-t. */
function cubicTaps(t: number): [number, number, number, number] {
  const a = -0.75;
  const near = (x: number): number => ((a + 2) * x - (a + 3)) * x * x + 1;
  const far = (x: number): number => ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return [far(t + 1), near(t), near(1 - t), far(2 - t)];
}

/** For each of `out` positions four source indices (clamped) and weights; `scale` is outputs per input as DINO passes it. */
function axis(n: number, out: number, scale: number): { index: number[]; weight: number[] }[] {
  return Array.from({ length: out }, (_, i) => {
    const x = (i + 0.5) / scale - 0.5;
    const x0 = Math.floor(x);
    return { index: [-1, 0, 1, 2].map((k) => Math.min(n - 1, Math.max(0, x0 + k))), weight: cubicTaps(x - x0) };
  });
}

/**
 * `pos_embed` [1, 1 + g*g, C] for a grid of `rows` x `cols` patches: [1 + rows*cols, C], the CLS row first and unchanged.
 * Bicubic with scale (rows + 0.1)/g and (cols + 0.1)/g used as given, as in DINO's `interpolate_pos_encoding`
 * (facebookresearch/dino#8); unchanged where the grid is the model's own.
 */
export function interpolatePositions({ shape, data }: Weight, rows: number, cols: number): Float32Array {
  const C = shape[2]!;
  const g = Math.round(Math.sqrt(shape[1]! - 1));
  if (rows === g && cols === g) return data;
  const ys = axis(g, rows, (rows + 0.1) / g);
  const xs = axis(g, cols, (cols + 0.1) / g);
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
