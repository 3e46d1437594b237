/** Measures of layout and sharpness from a picture's lightness `L` [height, width]. */
import { dot } from '../rows.js';

const CELL = 8;
const BINS = 9;

/**
 * Histograms of oriented gradients (Dalal and Triggs, 2005): per cell of 8x8 pixels nine unsigned directions with linear votes,
 * divided by the energy of the 3x3 cells around: [cells down, cells across, 9].
 */
function orientations(L: Float64Array, width: number, height: number): Float64Array {
  const [w, h] = [Math.floor(width / CELL), Math.floor(height / CELL)];
  const votes = new Float64Array(w * h * BINS);
  for (let y = 0; y < h * CELL; y++) {
    for (let x = 0; x < w * CELL; x++) {
      const [gx, gy] = [slope(L, y * width, 1, x, width), slope(L, x, width, y, height)];
      const angle = ((((Math.atan2(gy, gx) % Math.PI) + Math.PI) % Math.PI) / Math.PI) * BINS;
      const [low, share] = [Math.floor(angle), angle - Math.floor(angle)];
      const cell = (Math.floor(y / CELL) * w + Math.floor(x / CELL)) * BINS;
      const size = Math.hypot(gx, gy);
      votes[cell + (low % BINS)]! += size * (1 - share);
      votes[cell + ((low + 1) % BINS)]! += size * share;
    }
  }
  return normaliseBlocks(votes, w, h);
}

/** The derivative at index i of the n numbers from `start` on, `stride` apart: central, one-sided at the ends. */
function slope(L: Float64Array, start: number, stride: number, i: number, n: number): number {
  const [before, after] = [Math.max(0, i - 1), Math.min(n - 1, i + 1)];
  return after === before ? 0 : (L[start + after * stride]! - L[start + before * stride]!) / (after - before);
}

function normaliseBlocks(votes: Float64Array, w: number, h: number): Float64Array {
  const energy = Float64Array.from({ length: w * h }, (_, cell) => {
    const histogram = votes.subarray(cell * BINS, (cell + 1) * BINS);
    return dot(histogram, histogram);
  });
  const inside = (i: number, n: number): number => Math.min(n - 1, Math.max(0, i));
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      let block = 1e-3;
      for (const dy of [-1, 0, 1]) for (const dx of [-1, 0, 1]) block += energy[inside(y + dy, h) * w + inside(x + dx, w)]!;
      for (let b = 0; b < BINS; b++) votes[(y * w + x) * BINS + b]! /= Math.sqrt(block);
    }
  }
  return votes;
}

/** Cosine of two pictures' oriented gradients: 1 for the same edges, 0 if one has none. */
export function edgeCosine(a: Float64Array, b: Float64Array, width: number, height: number): number {
  const [x, y] = [orientations(a, width, height), orientations(b, width, height)];
  const lengths = Math.sqrt(dot(x, x) * dot(y, y));
  return lengths > 0 ? dot(x, y) / lengths : 0;
}

/** Variance of the Laplacian, without the border. */
export function sharpness(L: Float64Array, width: number, height: number): number {
  const values: number[] = [];
  for (let y = 1; y < height - 1; y++) {
    for (let i = y * width + 1; i < (y + 1) * width - 1; i++) {
      values.push(4 * L[i]! - L[i - 1]! - L[i + 1]! - L[i - width]! - L[i + width]!);
    }
  }
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
  return values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length;
}
