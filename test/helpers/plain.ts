/** Pieces of plain loops that the references of several ops share. */

/** The index in 0 .. n - 1 that is `i` mirrored at the nearer border. */
export const mirror = (i: number, n: number): number => (i < 0 ? -i : i >= n ? 2 * (n - 1) - i : i);

/** y[p, i, j] = source(p, i, j) for all positions of `planes` planes of h x w. */
export function gather(planes: number, h: number, w: number, source: (p: number, i: number, j: number) => number): number[] {
  const y: number[] = [];
  for (let p = 0; p < planes; p++) for (let i = 0; i < h; i++) for (let j = 0; j < w; j++) y.push(source(p, i, j));
  return y;
}

/** x w^T + b as loops: x [.., K], w [N, K], b [N]. */
export function affine(x: Float64Array, w: Float64Array, b: Float64Array): Float64Array {
  const N = b.length;
  const K = w.length / N;
  return Float64Array.from({ length: (x.length / K) * N }, (_, at) => {
    const [m, n] = [Math.floor(at / N), at % N];
    let total = b[n]!;
    for (let k = 0; k < K; k++) total += x[m * K + k]! * w[n * K + k]!;
    return total;
  });
}

/** The channels of x [B, C, H, W] as batch norm sees them: indices of their elements, mean, and 1 / standard deviation. */
export const channels = (x: ArrayLike<number>, [B, C, H, W]: readonly [number, number, number, number], eps = 1e-5) =>
  Array.from({ length: C }, (_, c) => {
    const [HW, N] = [H * W, B * H * W];
    const indices = Array.from({ length: N }, (__, n) => (Math.floor(n / HW) * C + c) * HW + (n % HW));
    const mean = indices.reduce((s, i) => s + x[i]!, 0) / N;
    const variance = indices.reduce((s, i) => s + (x[i]! - mean) ** 2, 0) / N;
    return { c, indices, mean, rstd: 1 / Math.sqrt(variance + eps) };
  });

/** erf by its Taylor series, good to 1e-10 for |x| < 3.5. */
function erf(x: number): number {
  let term = x;
  let total = x;
  for (let n = 1; n < 100; n++) {
    term *= (-x * x) / n;
    total += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * total;
}

export const logistic = (x: number): number => 1 / (1 + Math.exp(-x));
export const plainGelu = (x: number): number => 0.5 * x * (1 + erf(x / Math.SQRT2));
export const plainQuickGelu = (x: number): number => x * logistic(1.702 * x);

/** A convolution of x [B, C, H, W] with w [O, C, K, K], padded by (K - 1) / 2. */
export interface Convolution {
  readonly B: number;
  readonly C: number;
  readonly H: number;
  readonly W: number;
  readonly O: number;
  readonly K: number;
  readonly stride: 1 | 2;
  readonly padding: 'zeros' | 'reflect';
}

/** Visits every product of a convolution: y[yi] += x[xi] * w[wi]. */
export function eachProduct(
  { B, C, H, W, O, K, stride, padding }: Convolution, visit: (yi: number, xi: number, wi: number) => void,
): void {
  const pad = (K - 1) / 2;
  const source = (i: number, size: number): number => (padding === 'reflect' ? mirror(i, size) : i);
  let yi = 0;
  for (let b = 0; b < B; b++) for (let o = 0; o < O; o++)
  for (let i = 0; i < H; i += stride) for (let j = 0; j < W; j += stride) {
    for (let ky = 0; ky < K; ky++) for (let kx = 0; kx < K; kx++) {
      const [si, sj] = [source(i + ky - pad, H), source(j + kx - pad, W)];
      if (si < 0 || sj < 0 || si >= H || sj >= W) continue;
      for (let c = 0; c < C; c++) visit(yi, ((b * C + c) * H + si) * W + sj, ((o * C + c) * K + ky) * K + kx);
    }
    yi++;
  }
}
