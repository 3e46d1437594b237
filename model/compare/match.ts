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

const average = (values: Float64Array): number => values.reduce((sum, v) => sum + v, 0) / values.length;

/**
 * Mean over the rows of `a` of the best cosine with a row of `b`, and the same the other way round; where they are the same, with another
 * row. Rows have length 1.
 */
function bestCosines(a: Float32Array, b: Float32Array, columns: number): [number, number] {
  const bestOfA = new Float64Array(a.length / columns).fill(-1);
  const bestOfB = a === b ? bestOfA : new Float64Array(b.length / columns).fill(-1);
  for (let i = 0; i < bestOfA.length; i++) {
    for (let j = a === b ? i + 1 : 0; j < bestOfB.length; j++) {
      let s = 0;
      for (let c = 0; c < columns; c++) s += a[i * columns + c]! * b[j * columns + c]!;
      bestOfA[i] = Math.max(bestOfA[i]!, s);
      bestOfB[j] = Math.max(bestOfB[j]!, s);
    }
  }
  return [average(bestOfA), average(bestOfB)];
}

/**
 * How well the parts of each picture are found in the other, over how well in itself: near 1 for the same scene, less the less they have
 * in common. The lower of both directions.
 */
export function pairMatch(structure: Pick<Features, 'keys'>, appearance: Pick<Features, 'keys'>, columns: number): number {
  const [a, b] = directions(structure.keys, appearance.keys, columns);
  const across = bestCosines(a, b, columns);
  const within = [a, b].map((keys) => bestCosines(keys, keys, columns)[0]);
  return Math.min(...across.map((cosine, i) => cosine / Math.max(within[i]!, 1e-6)));
}
