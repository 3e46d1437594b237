/** Principal components of rows of features, on the CPU: there are hundreds of rows and at most a thousand columns. */
import { random } from '../random.js';
import { dot, gram, products } from '../rows.js';

export interface Components {
  /** Mean row [C]. */
  readonly mean: Float64Array;
  /** Orthonormal directions of largest variance, [count, C], the largest first. */
  readonly axes: Float64Array;
  /** Variance along each axis [count]. */
  readonly variances: Float64Array;
  /** The rows along the axes, mean subtracted: [rows, count]. */
  readonly values: Float64Array;
}

/** Further directions that are iterated, so that close variances do not slow down the wanted ones. */
const SPARE = 8;
const MOST_ROUNDS = 500;

/**
 * The `count` leading principal components of `features` [rows, C] (row-major), by subspace iteration with Rayleigh-Ritz (Golub
 * and Van Loan, "Matrix Computations", 8.2.4). The sign of each axis is such that its value of largest magnitude is positive.
 * @throws RangeError when features are not whole rows, or `count` exceeds their columns
 */
export function principalComponents(features: ArrayLike<number>, C: number, count: number): Components {
  const rows = features.length / C;
  if (!Number.isInteger(rows) || rows < 1) throw new RangeError(`pca: ${features.length} values are not whole rows of ${C}`);
  if (count < 1 || count > C) throw new RangeError(`pca: ${count} components of ${C} columns`);
  const sums = new Float64Array(C);
  for (let i = 0; i < features.length; i++) sums[i % C]! += features[i]!;
  const mean = sums.map((sum) => (sum * C) / features.length);
  const centred = Float64Array.from(features, (v, i) => v - mean[i % C]!);
  const covariance = gram(centred, C).map((sum) => (sum * C) / features.length);
  const { axes, variances } = leadingAxes(covariance, C, count);
  const values = products(centred, axes, C);
  for (let k = 0; k < count; k++) orient(values, axes, k, count, C);
  return { mean, axes, variances, values };
}

/** Negates component k if its value of largest magnitude is negative. */
function orient(values: Float64Array, axes: Float64Array, k: number, count: number, C: number): void {
  let largest = 0;
  for (let i = k; i < values.length; i += count) if (Math.abs(values[i]!) > Math.abs(largest)) largest = values[i]!;
  if (largest >= 0) return;
  for (let i = k; i < values.length; i += count) values[i] = -values[i]!;
  for (let c = 0; c < C; c++) axes[k * C + c] = -axes[k * C + c]!;
}

function leadingAxes(matrix: Float64Array, C: number, count: number): { axes: Float64Array; variances: Float64Array } {
  const width = Math.min(C, count + SPARE);
  const next = random('pca');
  let basis: Float64Array = orthonormalized(Float64Array.from({ length: width * C }, next.normal), C);
  let variances: Float64Array = new Float64Array(width);
  for (let [round, done] = [0, false]; round < MOST_ROUNDS && !done; round++) {
    const image = products(basis, matrix, C);
    const { values, vectors } = symmetricEigen(products(basis, image, C), width);
    const change = values.slice(0, count).reduce((most, v, i) => Math.max(most, Math.abs(v - variances[i]!)), 0);
    done = change <= 1e-13 * values[0]!;
    variances = values;
    basis = done ? rotate(vectors, basis, C) : orthonormalized(rotate(vectors, image, C), C);
  }
  return { axes: basis.slice(0, count * C), variances: variances.slice(0, count) };
}

/** Combinations of `rows` [n, C], weighted by the rows of `vectors` [n, n]. */
function rotate(vectors: Float64Array, rows: Float64Array, C: number): Float64Array {
  const n = rows.length / C;
  return Float64Array.from(rows, (_, at) => {
    const [k, c] = [Math.floor(at / C), at % C];
    let total = 0;
    for (let i = 0; i < n; i++) total += vectors[k * n + i]! * rows[i * C + c]!;
    return total;
  });
}

/** Modified Gram-Schmidt over rows, twice: one pass loses digits if rows are nearly parallel. A vanishing row becomes zero. */
function orthonormalized(rows: Float64Array, C: number): Float64Array {
  for (let at = 0; at < rows.length; at += C) {
    const row = rows.subarray(at, at + C);
    const before = Math.sqrt(dot(row, row));
    for (let pass = 0; pass < 2; pass++) {
      for (let other = 0; other < at; other += C) {
        const known = rows.subarray(other, other + C);
        const along = dot(row, known);
        for (let c = 0; c < C; c++) row[c]! -= along * known[c]!;
      }
    }
    const norm = Math.sqrt(dot(row, row));
    const gain = norm > 1e-12 * before ? 1 / norm : 0;
    for (let c = 0; c < C; c++) row[c]! *= gain;
  }
  return rows;
}

/** Eigenvalues, largest first, and eigenvectors as rows of a small symmetric matrix [n, n], by Jacobi's rotations. */
function symmetricEigen(matrix: Float64Array, n: number): { values: Float64Array; vectors: Float64Array } {
  const a = Float64Array.from(matrix);
  const v = new Float64Array(n * n);
  for (let i = 0; i < n; i++) v[i * n + i] = 1;
  const scale = Math.max(...a.map(Math.abs), 1e-300);
  for (let sweep = 0; sweep < 60; sweep++) {
    let off = 0;
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) {
        off = Math.max(off, Math.abs(a[p * n + q]!));
        jacobiRotation(a, v, n, p, q);
      }
    }
    if (off <= 1e-16 * scale) break;
  }
  const order = Array.from({ length: n }, (_, i) => i).sort((i, j) => a[j * n + j]! - a[i * n + i]!);
  const vectors = Float64Array.from(order.flatMap((i) => [...v.subarray(i * n, (i + 1) * n)]));
  return { values: Float64Array.from(order, (i) => a[i * n + i]!), vectors };
}

/** Makes a[p, q] zero and applies the rotation to the rows of v. */
function jacobiRotation(a: Float64Array, v: Float64Array, n: number, p: number, q: number): void {
  const apq = a[p * n + q]!;
  if (apq === 0) return;
  const theta = (a[q * n + q]! - a[p * n + p]!) / (2 * apq);
  const t = Math.sign(theta || 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
  const cos = 1 / Math.sqrt(t * t + 1);
  const sin = t * cos;
  const turn = (m: Float64Array, i: number, j: number): void => {
    const [x, y] = [m[i]!, m[j]!];
    m[i] = cos * x - sin * y;
    m[j] = sin * x + cos * y;
  };
  for (let k = 0; k < n; k++) turn(a, k * n + p, k * n + q);
  for (const m of [a, v]) for (let k = 0; k < n; k++) turn(m, p * n + k, q * n + k);
}
