/** How good features are, measured without training anything. */

/** Feature rows [N, C] and what each shows. */
export interface Labelled {
  readonly features: Float32Array;
  readonly labels: readonly number[];
}

/** The temperature that neighbours are weighted with, as in DINO's k-NN evaluation. */
const TEMPERATURE = 0.07;

/** Rows [N, C] brought to length 1. */
function unitRows(features: Float32Array, C: number): Float32Array {
  const result = Float32Array.from(features);
  for (let at = 0; at < result.length; at += C) {
    const row = result.subarray(at, at + C);
    const length = Math.sqrt(row.reduce((sum, v) => sum + v * v, 0)) || 1;
    row.forEach((v, c) => (row[c] = v / length));
  }
  return result;
}

const dot = (a: Float32Array, i: number, b: Float32Array, j: number, C: number): number => {
  let total = 0;
  for (let c = 0; c < C; c++) total += a[i * C + c]! * b[j * C + c]!;
  return total;
};

/**
 * Share of `test` rows whose label the `k` nearest rows of `known` vote for; nearness is cosine similarity s, a vote weighs exp(s / 0.07)
 * (https://arxiv.org/abs/1805.01978, as DINO's evaluation does it). C is the length of a row.
 */
export function nearestNeighbourAccuracy(known: Labelled, test: Labelled, C: number, k: number): number {
  const [a, b] = [unitRows(known.features, C), unitRows(test.features, C)];
  const right = test.labels.filter((label, i) => {
    const near = known.labels.map((other, j) => ({ other, similarity: dot(b, i, a, j, C) })).sort((x, y) => y.similarity - x.similarity).slice(0, k);
    const votes = new Map<number, number>();
    for (const { other, similarity } of near) votes.set(other, (votes.get(other) ?? 0) + Math.exp((similarity - 1) / TEMPERATURE));
    return [...votes].reduce((best, vote) => (vote[1] > best[1] ? vote : best))[0] === label;
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
 * How well the self-similarity of keys finds what belongs together: for every patch with label `which` as the query, the area under the curve of its cosine
 * similarity to all other labelled patches, those with the same label being the positives; the mean over queries. Labels below 0 are left out. 0.5 is chance,
 * 1 perfect; NaN when fewer than two patches have the label or all have it. keys [T, C], labels [T].
 */
export function separation(keys: Float32Array, labels: readonly number[], which: number): number {
  const C = keys.length / labels.length;
  const unit = unitRows(keys, C);
  const used = labels.map((_, i) => i).filter((i) => labels[i]! >= 0);
  const queries = used.filter((i) => labels[i] === which);
  if (queries.length < 2 || queries.length === used.length) return NaN;
  const areas = queries.map((query) => {
    const others = used.filter((i) => i !== query);
    return areaUnderCurve(others.map((i) => dot(unit, query, unit, i, C)), others.map((i) => labels[i] === which));
  });
  return areas.reduce((sum, area) => sum + area, 0) / areas.length;
}

/** Of a picture of labels [height, width] the label that at least `share` of a patch's pixels have, else -1: [rows * cols]. */
export function patchLabels({ width, height, data }: { width: number; height: number; data: Uint8Array }, rows: number, cols: number, share: number): number[] {
  return Array.from({ length: rows * cols }, (_, at) => {
    const [top, left] = [Math.floor((Math.floor(at / cols) * height) / rows), Math.floor(((at % cols) * width) / cols)];
    const [bottom, right] = [Math.floor(((Math.floor(at / cols) + 1) * height) / rows), Math.floor((((at % cols) + 1) * width) / cols)];
    const counts = new Map<number, number>();
    for (let y = top; y < bottom; y++) {
      for (let x = left; x < right; x++) counts.set(data[y * width + x]!, (counts.get(data[y * width + x]!) ?? 0) + 1);
    }
    const [label, count] = [...counts].reduce((best, entry) => (entry[1] > best[1] ? entry : best));
    return count >= share * (bottom - top) * (right - left) ? label : -1;
  });
}
