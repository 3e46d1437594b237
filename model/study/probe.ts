/** Quality of features, measured without any training. */
import type { Picture } from '../image.js';
import { products, unitRows } from '../rows.js';

/** Feature rows [N, C] and their labels. */
export interface Labelled {
  readonly features: Float32Array;
  readonly labels: readonly number[];
}

/** The temperature of the neighbours' weights, as in DINO's k-NN evaluation. */
const TEMPERATURE = 0.07;

/** The entry of the largest value; the first of equals. */
const largest = (entries: Iterable<[number, number]>): [number, number] =>
  [...entries].reduce((best, entry) => (entry[1] > best[1] ? entry : best));

/**
 * Share of `test` rows whose label wins the vote of the `k` nearest rows of `known`. Nearness is cosine similarity s, a vote
 * weighs exp(s / 0.07) (https://arxiv.org/abs/1805.01978, as in DINO's evaluation). C is the length of a row.
 */
export function nearestNeighbourAccuracy(known: Labelled, test: Labelled, C: number, k: number): number {
  const similarities = products(unitRows(test.features, C), unitRows(known.features, C), C);
  const right = test.labels.filter((label, i) => {
    const all = known.labels.map((other, j) => ({ other, similarity: similarities[i * known.labels.length + j]! }));
    const votes = new Map<number, number>();
    for (const { other, similarity } of all.sort((x, y) => y.similarity - x.similarity).slice(0, k)) {
      votes.set(other, (votes.get(other) ?? 0) + Math.exp((similarity - 1) / TEMPERATURE));
    }
    return largest(votes)[0] === label;
  });
  return right.length / test.labels.length;
}

/** Chance that a random positive scores higher than a random negative; ties count half. NaN without both. */
export function areaUnderCurve(scores: readonly number[], positive: readonly boolean[]): number {
  const order = scores.map((score, i) => ({ score, positive: positive[i]! })).sort((x, y) => x.score - y.score);
  const count = order.filter((o) => o.positive).length;
  let [below, wins] = [0, 0];
  for (let from = 0; from < order.length; ) {
    let end = from;
    while (end < order.length && order[end]!.score === order[from]!.score) end++;
    const group = order.slice(from, end);
    const positives = group.filter((o) => o.positive).length;
    wins += positives * (below + (group.length - positives) / 2);
    below += group.length - positives;
    from = end;
  }
  return wins / (count * (order.length - count));
}

/**
 * Separation of the patches with label `which` from the others by the self-similarity of keys. Each of these patches is a query:
 * the area under the curve of its cosine similarity to all other labelled patches, those with the same label being the positives.
 * Returns the mean over queries; 0.5 is chance, 1 perfect, NaN when fewer than two patches have the label or all have it. Labels
 * below 0 are left out. keys [T, C], labels [T].
 */
export function separation(keys: Float32Array, labels: readonly number[], which: number): number {
  const T = labels.length;
  const unit = unitRows(keys, keys.length / T);
  const similarities = products(unit, unit, keys.length / T);
  const used = labels.map((_, i) => i).filter((i) => labels[i]! >= 0);
  const queries = used.filter((i) => labels[i] === which);
  if (queries.length < 2 || queries.length === used.length) return NaN;
  const areas = queries.map((query) => {
    const others = used.filter((i) => i !== query);
    return areaUnderCurve(others.map((i) => similarities[query * T + i]!), others.map((i) => labels[i] === which));
  });
  return areas.reduce((sum, area) => sum + area, 0) / areas.length;
}

/** For each patch of a picture of labels the label that at least `share` of its pixels have, else -1: [rows * cols]. */
export function patchLabels({ width, height, data }: Picture<Uint8Array>, rows: number, cols: number, share: number): number[] {
  return Array.from({ length: rows * cols }, (_, at) => {
    const [row, col] = [Math.floor(at / cols), at % cols];
    const [top, bottom] = [row, row + 1].map((i) => Math.floor((i * height) / rows)) as [number, number];
    const [left, right] = [col, col + 1].map((i) => Math.floor((i * width) / cols)) as [number, number];
    const counts = new Map<number, number>();
    for (let y = top; y < bottom; y++) {
      for (const label of data.subarray(y * width + left, y * width + right)) counts.set(label, (counts.get(label) ?? 0) + 1);
    }
    const [label, count] = largest(counts);
    return count >= share * (bottom - top) * (right - left) ? label : -1;
  });
}
