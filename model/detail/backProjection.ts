/**
 * Back-projection: a picture changed as little as bicubic enlarging can, so that reducing it gives a small picture exactly
 * (Irani and Peleg, "Improving resolution by image registration", 1991, solved instead of iterated).
 */
import type { Image } from '../image.js';
import { tapsOf, type Taps } from '../resample.js';

/** Reduces or enlarges [lines, from, step] along the axis `from`, into [lines, taps, step]. */
function along(data: Float32Array | Float64Array, taps: readonly Taps[], from: number, step: number): Float64Array {
  const lines = data.length / (from * step);
  const out = new Float64Array(lines * taps.length * step);
  for (let line = 0; line < lines; line++) {
    for (const [i, { first, weights }] of taps.entries()) {
      const to = (line * taps.length + i) * step;
      for (let k = 0; k < weights.length; k++) {
        const start = (line * from + first + k) * step;
        for (let s = 0; s < step; s++) out[to + s]! += weights[k]! * data[start + s]!;
      }
    }
  }
  return out;
}

/** Rows of the matrix that enlarges an axis of `small` to `large` and reduces it again: each from its first column on. */
function thereAndBack(small: number, large: number): Float64Array[] {
  const [up, down] = [tapsOf(small, large), tapsOf(large, small)];
  return down.map(({ first, weights }) => {
    const row = new Float64Array(small);
    weights.forEach((w, k) => {
      const source = up[first + k]!;
      source.weights.forEach((v, j) => (row[source.first + j]! += w * v));
    });
    return row;
  });
}

/** Solves M x = b in place for the lines b of [lines, n, step]; M is a band around its diagonal, which is heaviest. */
function solve(M: readonly Float64Array[], b: Float64Array, step: number): void {
  const n = M.length;
  const reaches = M.map((row, i) =>
    Math.max(i - row.findIndex((v) => v !== 0), row.findLastIndex((v) => v !== 0) - i));
  const reach = Math.max(...reaches);
  const upTo = (i: number): number => Math.min(n, i + reach + 1);
  for (let k = 0; k < n; k++) {
    for (let i = k + 1; i < upTo(k); i++) {
      const factor = (M[i]![k]! /= M[k]![k]!);
      for (let j = k + 1; j < upTo(k); j++) M[i]![j]! -= factor * M[k]![j]!;
    }
  }
  for (let line = 0; line < b.length; line += n * step) {
    const subtract = (i: number, factor: number, k: number): void => {
      for (let s = 0; s < step; s++) b[line + i * step + s]! -= factor * b[line + k * step + s]!;
    };
    for (let i = 0; i < n; i++) for (let k = Math.max(0, i - reach); k < i; k++) subtract(i, M[i]![k]!, k);
    for (let i = n - 1; i >= 0; i--) {
      for (let k = i + 1; k < upTo(i); k++) subtract(i, M[i]![k]!, k);
      for (let s = 0; s < step; s++) b[line + i * step + s]! /= M[i]![i]!;
    }
  }
}

/** Changes `image` so that reducing it (bicubic, antialiased) to the size of `low` gives `low`, then cuts it to 0..1. */
export function backProject({ width, height, data }: Image, low: Image): void {
  const [w, h] = [low.width, low.height];
  const narrow = along(data, tapsOf(width, w), width, 1);
  const missing = along(narrow, tapsOf(height, h), height, w).map((v, i) => low.data[i]! - v);
  solve(thereAndBack(w, width), missing, 1);
  solve(thereAndBack(h, height), missing, w);
  const wide = along(missing, tapsOf(w, width), w, 1);
  const rows = tapsOf(h, height);
  for (let c = 0; c < 3; c++) {
    for (const [y, { first, weights }] of rows.entries()) {
      const to = (c * height + y) * width;
      for (let x = 0; x < width; x++) {
        let sum = data[to + x]!;
        for (let k = 0; k < weights.length; k++) sum += weights[k]! * wide[(c * h + first + k) * width + x]!;
        data[to + x] = Math.min(1, Math.max(0, sum));
      }
    }
  }
}
