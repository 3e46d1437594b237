/** Resampling and blurring of small pictures on the CPU. */
import { tapsOf } from '../resample.js';
import type { Bitmap } from './augment.js';

/** A part of a picture, in pixels. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** `box` of a picture, bicubic and antialiased, mirrored if `flip`: [3, side, side] in 0..1. */
export function resampled({ width, height, data }: Bitmap, box: Box, side: number, flip: boolean): Float32Array {
  const [columns, rows] = [tapsOf(box.width, side), tapsOf(box.height, side)];
  const result = new Float32Array(3 * side * side);
  const strip = new Float32Array(box.height * side);
  for (let c = 0; c < 3; c++) {
    for (let y = 0; y < box.height; y++) {
      const from = (c * height + box.top + y) * width + box.left;
      for (let x = 0; x < side; x++) {
        const { first, weights } = columns[flip ? side - 1 - x : x]!;
        let total = 0;
        for (let k = 0; k < weights.length; k++) total += weights[k]! * data[from + first + k]!;
        strip[y * side + x] = total;
      }
    }
    for (let y = 0; y < side; y++) {
      const { first, weights } = rows[y]!;
      for (let x = 0; x < side; x++) {
        let total = 0;
        for (let k = 0; k < weights.length; k++) total += weights[k]! * strip[(first + k) * side + x]!;
        result[(c * side + y) * side + x] = Math.min(1, Math.max(0, total / 255));
      }
    }
  }
  return result;
}

/** A Gaussian of deviation `sigma` pixels over a picture [3, side, side], in place; the edge is repeated outwards. */
export function blurred(p: Float32Array, side: number, sigma: number): void {
  const radius = Math.max(1, Math.ceil(3 * sigma));
  const kernel = Array.from({ length: 2 * radius + 1 }, (_, k) => Math.exp(-((k - radius) ** 2) / (2 * sigma * sigma)));
  const total = kernel.reduce((sum, w) => sum + w, 0);
  const line = new Float32Array(side);
  const along = (start: number, stride: number): void => {
    for (let i = 0; i < side; i++) {
      let sum = 0;
      for (let k = 0; k < kernel.length; k++) sum += kernel[k]! * p[start + Math.min(side - 1, Math.max(0, i + k - radius)) * stride]!;
      line[i] = sum / total;
    }
    for (let i = 0; i < side; i++) p[start + i * stride] = line[i]!;
  };
  for (let c = 0; c < 3; c++) {
    for (let i = 0; i < side; i++) along((c * side + i) * side, 1);
    for (let i = 0; i < side; i++) along(c * side * side + i, side);
  }
}
