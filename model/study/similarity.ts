/** Self-similarity in a form for principal components, for any number of rows. */
import { gram, products, unitRows } from '../rows.js';

/** Rows of C numbers, one after the other. */
export interface Matrix {
  readonly data: Float64Array;
  readonly C: number;
}

/**
 * Rows with the principal values of the self-similarity S = F F', n x n, of the rows F brought to length 1. If n > C the result
 * is F L with F'F = L L', which has only C columns: centring acts on the left, and (F L)(F L)' = F F'F F' = S S'.
 */
export function similarityFactor({ data, C }: Matrix): Matrix {
  const n = data.length / C;
  const F = unitRows(data, C);
  return n <= C ? { data: products(F, F, C), C: n } : { data: products(F, choleskyRows(gram(F, C), C), C), C };
}

/** The transpose of L, with G = L L' (Cholesky) for a semidefinite matrix G [C, C]; a row without a remainder is zero. */
function choleskyRows(G: Float64Array, C: number): Float64Array {
  const rows = new Float64Array(C * C);
  const least = 1e-12 * Math.max(...Array.from({ length: C }, (_, i) => G[i * C + i]!));
  for (let j = 0; j < C; j++) {
    const remainder = (i: number): number => {
      let sum = G[i * C + j]!;
      for (let k = 0; k < j; k++) sum -= rows[k * C + i]! * rows[k * C + j]!;
      return sum;
    };
    const pivot = remainder(j);
    if (pivot <= least) continue;
    rows[j * C + j] = Math.sqrt(pivot);
    for (let i = j + 1; i < C; i++) rows[j * C + i] = remainder(i) / rows[j * C + j]!;
  }
  return rows;
}
