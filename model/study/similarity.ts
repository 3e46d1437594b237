/** Self-similarity as something principal components can be taken of, however many rows there are. */

/** Rows of C numbers, one after the other. */
export interface Matrix {
  readonly data: Float64Array;
  readonly C: number;
}

/**
 * Rows whose principal values are those of the self-similarity S = F F' of the rows F (of length 1), n x n. Where n is above C, F L does,
 * with F'F = L L' (Cholesky): centring acts on the left alone, and (F L)(F L)' = F F'F F' = S S'. It has C columns instead of n.
 */
export function similarityFactor({ data, C }: Matrix): Matrix {
  const n = data.length / C;
  const F = unitRows(data, C);
  if (n <= C) return { data: products(F, F, C), C: n };
  return { data: timesLower(F, cholesky(gram(F, C), C), C), C };
}

function unitRows(data: Float64Array, C: number): Float64Array {
  const unit = new Float64Array(data.length);
  for (let at = 0; at < data.length; at += C) {
    let squares = 0;
    for (let c = 0; c < C; c++) squares += data[at + c]! ** 2;
    const length = Math.max(Math.sqrt(squares), 1e-12);
    for (let c = 0; c < C; c++) unit[at + c] = data[at + c]! / length;
  }
  return unit;
}

/** a b' of rows [n, C] and [m, C] */
function products(a: Float64Array, b: Float64Array, C: number): Float64Array {
  const [n, m] = [a.length / C, b.length / C];
  const result = new Float64Array(n * m);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < m; j++) {
      let sum = 0;
      for (let c = 0; c < C; c++) sum += a[i * C + c]! * b[j * C + c]!;
      result[i * m + j] = sum;
    }
  }
  return result;
}

/** F'F, [C, C] */
function gram(F: Float64Array, C: number): Float64Array {
  const result = new Float64Array(C * C);
  for (let at = 0; at < F.length; at += C) {
    for (let a = 0; a < C; a++) {
      const weight = F[at + a]!;
      for (let b = 0; b <= a; b++) result[a * C + b]! += weight * F[at + b]!;
    }
  }
  return result;
}

/** The lower triangle L of a semidefinite matrix's lower triangle, G = L L'; a column without anything left is zero. */
function cholesky(G: Float64Array, C: number): Float64Array {
  const L = new Float64Array(C * C);
  const least = 1e-12 * Math.max(...Array.from({ length: C }, (_, i) => G[i * C + i]!));
  for (let j = 0; j < C; j++) {
    const column = (i: number): number => {
      let sum = G[i * C + j]!;
      for (let k = 0; k < j; k++) sum -= L[i * C + k]! * L[j * C + k]!;
      return sum;
    };
    const pivot = column(j);
    if (pivot <= least) continue;
    L[j * C + j] = Math.sqrt(pivot);
    for (let i = j + 1; i < C; i++) L[i * C + j] = column(i) / L[j * C + j]!;
  }
  return L;
}

/** F L of rows [n, C] and a lower triangle [C, C] */
function timesLower(F: Float64Array, L: Float64Array, C: number): Float64Array {
  const result = new Float64Array(F.length);
  for (let at = 0; at < F.length; at += C) {
    for (let c = 0; c < C; c++) {
      const weight = F[at + c]!;
      for (let j = 0; j <= c; j++) result[at + j]! += weight * L[c * C + j]!;
    }
  }
  return result;
}
