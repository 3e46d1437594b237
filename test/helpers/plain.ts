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

/** Sizes of a convolution: x [B, C, H, W], w [O, C, K, K]. */
export interface ConvSizes {
  readonly B: number;
  readonly C: number;
  readonly H: number;
  readonly W: number;
  readonly O: number;
  readonly K: number;
}

/** Visits every product of a convolution that pads to whole size: elements `at` of y, `xi` of x and `wi` of w, of output channel o. */
export function eachProduct(
  { B, C, H, W, O, K }: ConvSizes, stride: number, padding: string, visit: (at: number, xi: number, wi: number, o: number) => void,
): void {
  const pad = (K - 1) / 2;
  const source = (i: number, size: number): number => (padding === 'reflect' ? mirror(i, size) : i);
  let at = 0;
  for (let b = 0; b < B; b++) for (let o = 0; o < O; o++) for (let i = 0; i < H; i += stride) for (let j = 0; j < W; j += stride) {
    for (let ky = 0; ky < K; ky++) for (let kx = 0; kx < K; kx++) {
      const [si, sj] = [source(i + ky - pad, H), source(j + kx - pad, W)];
      if (si < 0 || sj < 0 || si >= H || sj >= W) continue;
      for (let c = 0; c < C; c++) visit(at, ((b * C + c) * H + si) * W + sj, ((o * C + c) * K + ky) * K + kx, o);
    }
    at++;
  }
}
