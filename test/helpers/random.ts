/** Seeded random numbers for tests. */

/** A generator of numbers uniform in [0, 1): mulberry32, small and good enough for tests. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** `length` numbers of `next`, moved to [-1, 1). */
export const draws = (length: number, next: () => number): Float32Array => Float32Array.from({ length }, () => 2 * next() - 1);
