/** Whether two photos show related things, by a ViT's keys of their parts. */
import { unitRows } from '../rows.js';
import type { Features } from './features.js';

/** Below this a pair hardly matches: the value separates published pairs from mismatched ones (test/study/pairMatch.ts). */
export const LEAST_MATCH = 0.45;

/** The keys' directions from the mean of both pictures, row by row: the part that all keys share carries no information. */
export function directions(a: Float32Array, b: Float32Array, columns: number): [Float32Array, Float32Array] {
  const mean = new Float64Array(columns);
  for (const keys of [a, b]) keys.forEach((v, i) => (mean[i % columns]! += v));
  const count = (a.length + b.length) / columns;
  const centred = (keys: Float32Array): Float32Array => unitRows(keys.map((v, i) => v - mean[i % columns]! / count), columns);
  return [centred(a), centred(b)];
}

const average = (values: Float64Array): number => values.reduce((sum, v) => sum + v, 0) / values.length;

/**
 * Mean over the rows of `a` of the best cosine with a row of `b`, and the same with `a` and `b` exchanged. If they are the same
 * array, a row is compared with the other rows. Rows have length 1.
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
 * Mean best cosine of each picture's parts with the other's, divided by that with its own: near 1 for the same scene, lower the
 * less they have in common. Of both directions it is the lower one.
 */
export function pairMatch(structure: Pick<Features, 'keys'>, appearance: Pick<Features, 'keys'>, columns: number): number {
  const [a, b] = directions(structure.keys, appearance.keys, columns);
  const across = bestCosines(a, b, columns);
  const within = [a, b].map((keys) => bestCosines(keys, keys, columns)[0]);
  return Math.min(...across.map((cosine, i) => cosine / Math.max(within[i]!, 1e-6)));
}
