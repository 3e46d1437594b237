/** k-means clusters of feature rows, and the agreement of two label maps. */
import { random, type Random } from '../random.js';

export interface Rows {
  readonly data: Float32Array | Float64Array;
  readonly columns: number;
}

const RESTARTS = 5;
const MOST_ROUNDS = 50;

function squaredDistance({ data, columns }: Rows, row: number, centre: Float64Array): number {
  let sum = 0;
  for (let c = 0, at = row * columns; c < columns; c++) sum += (data[at + c]! - centre[c]!) ** 2;
  return sum;
}

const rowAt = ({ data, columns }: Rows, row: number): Float64Array =>
  Float64Array.from(data.subarray(row * columns, (row + 1) * columns));

/** Initial centres far from each other (Arthur and Vassilvitskii, "k-means++", 2007). */
function firstCentres(rows: Rows, count: number, k: number, next: Random): Float64Array[] {
  const centres = [rowAt(rows, next.integer(0, count - 1))];
  const nearest = new Float64Array(count).fill(Infinity);
  while (centres.length < k) {
    let total = 0;
    for (let r = 0; r < count; r++) total += nearest[r] = Math.min(nearest[r]!, squaredDistance(rows, r, centres.at(-1)!));
    let left = next() * total;
    let row = 0;
    while (row < count - 1 && (left -= nearest[row]!) > 0) row++;
    centres.push(rowAt(rows, row));
  }
  return centres;
}

/** Each centre moves to the mean of the rows with its label; one without rows stays. */
function moveCentres(rows: Rows, labels: Int32Array, centres: readonly Float64Array[]): Float64Array[] {
  const sums = centres.map((centre) => new Float64Array(centre.length));
  const counts = new Int32Array(centres.length);
  labels.forEach((label, r) => {
    counts[label]!++;
    for (let c = 0; c < rows.columns; c++) sums[label]![c]! += rows.data[r * rows.columns + c]!;
  });
  return sums.map((sum, i) => (counts[i] ? sum.map((v) => v / counts[i]!) : centres[i]!));
}

/** Labels every row with its nearest centre; returns the sum of squared distances and whether a label changed. */
function label(rows: Rows, labels: Int32Array, centres: readonly Float64Array[]): { inertia: number; changed: boolean } {
  let [inertia, changed] = [0, false];
  for (let r = 0; r < labels.length; r++) {
    let [best, least] = [0, Infinity];
    centres.forEach((centre, i) => {
      const d = squaredDistance(rows, r, centre);
      if (d < least) [best, least] = [i, d];
    });
    changed ||= labels[r] !== best;
    labels[r] = best;
    inertia += least;
  }
  return { inertia, changed };
}

/** Lloyd's algorithm from several seeded starts; returns the labels of the tightest, one per row, the same for equal seeds. */
export function kmeans(rows: Rows, k: number, seed: number): Int32Array {
  const count = rows.data.length / rows.columns;
  let best = { inertia: Infinity, labels: new Int32Array(count) };
  for (let start = 0; start < RESTARTS; start++) {
    const labels = new Int32Array(count).fill(-1);
    let centres = firstCentres(rows, count, k, random(seed, 'kmeans', start));
    let state = label(rows, labels, centres);
    for (let round = 1; round < MOST_ROUNDS && state.changed; round++) {
      centres = moveCentres(rows, labels, centres);
      state = label(rows, labels, centres);
    }
    if (state.inertia < best.inertia) best = { inertia: state.inertia, labels };
  }
  return best.labels;
}

/** Mean intersection over union of two label maps of one size, over the labels that occur. */
export function meanIou(a: Int32Array, b: Int32Array): number {
  const labels = [...new Set([...a, ...b])];
  const ious = labels.map((name) => {
    let [both, any] = [0, 0];
    a.forEach((v, i) => {
      both += Number(v === name && b[i] === name);
      any += Number(v === name || b[i] === name);
    });
    return both / any;
  });
  return ious.reduce((sum, v) => sum + v, 0) / ious.length;
}
