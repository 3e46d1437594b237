/** Rows of C numbers, each divided by its length; rows of zeros stay zeros. */
export function unitRows<T extends Float32Array | Float64Array>(rows: T, C: number): T {
  const unit = rows.slice() as T;
  for (let at = 0; at < rows.length; at += C) {
    const length = Math.max(Math.hypot(...rows.subarray(at, at + C)), 1e-12);
    for (let i = at; i < at + C; i++) unit[i]! /= length;
  }
  return unit;
}

export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** a b' for rows a [n, C] and b [m, C]: [n, m]. */
export function products(a: Float32Array | Float64Array, b: Float32Array | Float64Array, C: number): Float64Array {
  const m = b.length / C;
  return Float64Array.from({ length: (a.length / C) * m }, (_, at) => {
    const [row, other] = [Math.floor(at / m) * C, (at % m) * C];
    let sum = 0;
    for (let c = 0; c < C; c++) sum += a[row + c]! * b[other + c]!;
    return sum;
  });
}

/** F'F of rows F [n, C]: [C, C]. */
export function gram(F: Float64Array, C: number): Float64Array {
  const G = new Float64Array(C * C);
  for (let at = 0; at < F.length; at += C) {
    for (let a = 0; a < C; a++) {
      const weight = F[at + a]!;
      for (let b = 0; b <= a; b++) G[a * C + b]! += weight * F[at + b]!;
    }
  }
  for (let a = 0; a < C; a++) for (let b = 0; b < a; b++) G[b * C + a] = G[a * C + b]!;
  return G;
}

/** All parts one after the other. */
export function joined(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
