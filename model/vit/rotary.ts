/** Rotary positions as in DINOv3 (arXiv 2508.10104): queries and keys of a patch are rotated by angles from its place. */
import type { Weight } from './config.js';

/** The base of the periods that DINOv3 was trained with. */
const BASE = 100;

/** BASE^(i / count) for i = 0 ... count - 1; `count` is a quarter of a head's size. */
export const defaultPeriods = (count: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => BASE ** (i / count));

/**
 * Cosines and sines for the tokens CLS, rows x cols patches and `registers`: [T, 2, HS / 2]. A patch's row and column are the
 * centre's in -1..1, each by the whole height or width; a quarter of a head has 2 pi row / period, the next 2 pi column / period,
 * and the other half of the head has the same angles. CLS and registers are not rotated.
 */
export function rotaryTable({ data: periods }: Weight, rows: number, cols: number, registers: number): Float32Array {
  const half = 2 * periods.length;
  const place = (i: number, n: number): number => (2 * (i + 0.5)) / n - 1;
  const table = new Float32Array((1 + rows * cols + registers) * 2 * half);
  for (let t = 0; t < 1 + rows * cols + registers; t++) {
    const patch = t - 1;
    const isPatch = patch >= 0 && patch < rows * cols;
    const at = isPatch ? [place(Math.floor(patch / cols), rows), place(patch % cols, cols)] : [0, 0];
    for (let i = 0; i < half; i++) {
      const angle = (2 * Math.PI * at[Math.floor(i / periods.length)]!) / periods[i % periods.length]!;
      table[t * 2 * half + i] = Math.cos(angle);
      table[t * 2 * half + half + i] = Math.sin(angle);
    }
  }
  return table;
}
