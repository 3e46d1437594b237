/** Whether two photos are about related things, by what a ViT sees in their parts. */
import { unitRows, type Features } from './features.js';

/**
 * Below this a pair hardly matches. With ViT-Tiny/16 (AugReg) six published pairs have 0.48 or more, and 27 of 30 mismatched pairings of
 * their photos have 0.43 or less; the others put an animal in a meadow upon another such (test/study/pairMatch.ts).
 */
export const LEAST_MATCH = 0.45;

/** Row by row the keys' directions from the mean of both pictures: what all keys share says nothing about either. */
function directions(a: Float32Array, b: Float32Array, columns: number): [Float32Array, Float32Array] {
  const mean = new Float64Array(columns);
  for (const keys of [a, b]) keys.forEach((v, i) => (mean[i % columns]! += v));
  const count = (a.length + b.length) / columns;
  return [a, b].map((keys) => unitRows(keys.map((v, i) => v - mean[i % columns]! / count), columns)) as [Float32Array, Float32Array];
}

/** Mean over the rows of `a` of the best cosine with a row of `b`; where they are the same, with another row. Rows have length 1. */
function bestCosine(a: Float32Array, b: Float32Array, columns: number): number {
  const count = a.length / columns;
  let total = 0;
  for (let i = 0; i < count; i++) {
    let best = -1;
    for (let j = 0; j < b.length / columns; j++) {
      if (a === b && i === j) continue;
      let s = 0;
      for (let c = 0; c < columns; c++) s += a[i * columns + c]! * b[j * columns + c]!;
      best = Math.max(best, s);
    }
    total += best;
  }
  return total / count;
}

/**
 * How well the parts of each picture are found in the other, over how well in itself: near 1 for the same scene, less the less they have
 * in common. The lower of both directions.
 */
export function pairMatch(structure: Pick<Features, 'keys'>, appearance: Pick<Features, 'keys'>, columns: number): number {
  const [a, b] = directions(structure.keys, appearance.keys, columns);
  const share = (from: Float32Array, to: Float32Array): number => bestCosine(from, to, columns) / Math.max(bestCosine(from, from, columns), 1e-6);
  return Math.min(share(a, b), share(b, a));
}
