/** Attention as plain loops, for tests. */

/** Shape and number of heads of a case. */
export interface AttentionCase {
  readonly B: number;
  readonly T: number;
  readonly heads: number;
  readonly HS: number;
}

export const showCase = ({ B, T, heads, HS }: AttentionCase): string => `${B} x ${T} tokens, ${heads} heads of ${HS}`;

/** softmax(q k^T / sqrt(HS)) v of the first `queries` tokens; qkv `[B, T, 3, heads, HS]`. */
export function attentionReference(qkv: Float64Array, { B, T, heads, HS }: AttentionCase, queries = T): Float64Array {
  const C = heads * HS;
  const y = new Float64Array(B * queries * C);
  const row = (b: number, t: number, part: number, h: number): Float64Array => {
    const start = ((b * T + t) * 3 + part) * C + h * HS;
    return qkv.subarray(start, start + HS);
  };
  for (let b = 0; b < B; b++) {
    for (let h = 0; h < heads; h++) {
      for (let i = 0; i < queries; i++) {
        const q = row(b, i, 0, h);
        const scores = Array.from({ length: T }, (_, j) => row(b, j, 1, h).reduce((s, k, d) => s + k * q[d]!, 0) / Math.sqrt(HS));
        const peak = Math.max(...scores);
        const p = scores.map((s) => Math.exp(s - peak));
        const total = p.reduce((s, v) => s + v, 0);
        p.forEach((weight, j) => row(b, j, 2, h).forEach((v, d) => (y[(b * queries + i) * C + h * HS + d]! += (weight / total) * v)));
      }
    }
  }
  return y;
}
