import { test } from 'uvu';
import { Graph } from '../../engine/index.js';
import { nearestPatch } from '../../engine/ops/nearestPatch.js';
import { assertRefused, checkOp } from '../helpers/check.js';

/** Every second key is the one before it again, so every nearest key has an equal: the lower one counts. */
const doubled = (K: number, keys: Float64Array): Float64Array =>
  keys.map((_, i) => keys[(Math.floor(i / (2 * K)) * 2 * K) + (i % K)]!);

function reference(q: Float64Array, k: Float64Array, K: number): number[] {
  return Array.from({ length: q.length / K }, (_, m) => {
    let [best, least] = [0, Infinity];
    for (let n = 0; n < k.length / K; n++) {
      let distance = 0;
      for (let c = 0; c < K; c++) distance += (q[m * K + c]! - k[n * K + c]!) ** 2;
      if (distance < least) [best, least] = [n, distance];
    }
    return best;
  });
}

for (const [M, N, K] of [[1, 1, 1], [3, 1, 4], [65, 130, 76], [200, 97, 7], [70, 64, 12], [1, 500, 16]] as const) {
  test(`nearestPatch of ${M} among ${N}, ${K} numbers each`, () => checkOp({
    inputs: { q: [M, K], k: [N, K] },
    build: ({ q, k }) => nearestPatch(q!, k!),
    reference: ({ q, k }) => reference(q!, k!, K),
    gradients: [],
    rowLength: 1,
  }));
}

test('of equal keys the lowest is taken', () => {
  const K = 8;
  const from = Float64Array.from({ length: 150 * K }, (_, i) => Math.fround(Math.sin(3 + 7.1 * i)));
  const keys = doubled(K, from);
  return checkOp({
    inputs: { q: [90, K], k: [150, K] },
    values: { k: (_, i) => keys[i]! },
    build: ({ q, k }) => nearestPatch(q!, k!),
    reference: ({ q, k }) => reference(q!, k!, K),
    gradients: [],
    rowLength: 1,
  });
});

test('keys of which all are equal', () => checkOp({
  inputs: { q: [10, 4], k: [300, 4] },
  values: { k: () => 0.25 },
  build: ({ q, k }) => nearestPatch(q!, k!),
  reference: () => Array.from({ length: 10 }, () => 0),
  gradients: [],
  rowLength: 1,
}));

test('other numbers of queries and keys need no new pipeline', () => checkOp({
  inputs: { q: [20, 12], k: [30, 12] },
  build: ({ q, k }) => nearestPatch(q!, k!),
  reference: ({ q, k }) => reference(q!, k!, 12),
  gradients: [],
  rowLength: 1,
  resized: { q: [9, 12], k: [100, 12] },
}));

test('rows of other lengths are refused', () => {
  const g = new Graph();
  const q = g.input('q', [5, 4]);
  assertRefused(() => nearestPatch(q, g.input('k', [5, 8])), /q is \[5, 4\], k is \[5, 8\]/);
  assertRefused(() => nearestPatch(q, g.input('one', [4])), /k is \[4\]/);
});

test.run();
