/**
 * Sliced Wasserstein distance of two clouds of points: the mean difference of their sorted projections on fixed directions
 * (Rabin, Peyré, Delon and Bernot, "Wasserstein barycenter and its application to texture mixing", 2011).
 */
import type { Lab } from './lab.js';
import { quantiles } from './quantiles.js';

const DIRECTIONS = 64;
const LEVELS = 256;

/** A cloud's projections: LEVELS even quantiles of each direction, one direction after the other. */
export type Profile = Float64Array;

/**
 * Unit vectors of `dim` numbers, the same on every machine and in oracle/metrics.py: a counter, begun at the FNV-1a hash of the
 * name, through murmur3's finaliser.
 */
function directions(name: string, dim: number): Float64Array[] {
  const start = new TextEncoder().encode(name).reduce((h, byte) => Math.imul(h ^ byte, 0x01000193) >>> 0, 0x811c9dc5);
  const value = (i: number): number => {
    let h = (start + Math.imul(i, 0x9e3779b9)) >>> 0;
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    h = (h ^ (h >>> 16)) >>> 0;
    return Math.fround((h >>> 8) * 2 ** -23 - 1);
  };
  return Array.from({ length: DIRECTIONS }, (_, d) => {
    const v = Float64Array.from({ length: dim }, (_, k) => value(d * dim + k));
    const length = Math.hypot(...v);
    return v.map((x) => x / length);
  });
}

const PATCH = 7;
const STRIDE = 4;
const colourDirections = directions('metrics.colour', 3);
const patchDirections = directions('metrics.patch', 3 * PATCH * PATCH);

/** Quantiles of the projections on every direction. */
function profileOf(unit: readonly Float64Array[], project: (direction: Float64Array) => Float64Array): Profile {
  const profile = new Float64Array(unit.length * LEVELS);
  unit.forEach((direction, d) => profile.set(quantiles(project(direction), LEVELS), d * LEVELS));
  return profile;
}

export function colourProfile({ data }: Lab): Profile {
  const projected = new Float64Array(data.length / 3);
  return profileOf(colourDirections, (direction) => {
    const [x, y, z] = direction as unknown as [number, number, number];
    for (let i = 0; i < projected.length; i++) projected[i] = x * data[3 * i]! + y * data[3 * i + 1]! + z * data[3 * i + 2]!;
    return projected;
  });
}

/** All 7x7 patches, every fourth row and column. @throws RangeError when there is none */
export function patchProfile({ width, height, data }: Lab): Profile {
  const [across, down] = [width, height].map((side) => Math.floor((side - PATCH) / STRIDE) + 1) as [number, number];
  if (across < 1 || down < 1) throw new RangeError(`patches: a picture of ${width}x${height} is smaller than ${PATCH}x${PATCH}`);
  const projected = new Float64Array(across * down);
  return profileOf(patchDirections, (direction) => {
    for (let p = 0; p < projected.length; p++) {
      const from = STRIDE * (Math.floor(p / across) * width + (p % across));
      let sum = 0;
      for (let row = 0, k = 0; row < PATCH; row++) {
        const start = 3 * (from + row * width);
        for (let i = 0; i < 3 * PATCH; i++) sum += direction[k++]! * data[start + i]!;
      }
      projected[p] = sum;
    }
    return projected;
  });
}

/** The mean distance of two profiles of one kind. */
export const profileDistance = (a: Profile, b: Profile): number =>
  a.reduce((sum, v, i) => sum + Math.abs(v - b[i]!), 0) / a.length;

/** Half the size, by means of 2x2 pixels; an odd last row or column is dropped. */
export function halve({ width, height, data }: Lab): Lab {
  const [w, h] = [Math.floor(width / 2), Math.floor(height / 2)];
  const half = new Float64Array(3 * w * h);
  for (let y = 0; y < h; y++) {
    for (let i = 0; i < 3 * w; i++) {
      const at = 6 * y * width + 2 * i - (i % 3); // channel i % 3 of pixel 2 * floor(i / 3)
      half[3 * y * w + i] = (data[at]! + data[at + 3]! + data[at + 3 * width]! + data[at + 3 * width + 3]!) / 4;
    }
  }
  return { width: w, height: h, data: half };
}
