/** Attention as plain loops, and the cases that its tests share. */
import type { Tensor } from '../../engine/index.js';
import type { OpCase } from './check.js';

/** Shape and number of heads of a case. */
export interface AttentionCase {
  readonly B: number;
  readonly T: number;
  readonly heads: number;
  readonly HS: number;
}

export const showCase = ({ B, T, heads, HS }: AttentionCase): string => `${B} x ${T} tokens, ${heads} heads of ${HS}`;

/**
 * One token, several images and heads, wide heads, and heads of an odd size; a test adds many tokens of its own. Each other
 * number or size of heads is a kernel to compile, so that few are enough.
 */
export const attentionCases: readonly AttentionCase[] = [
  { B: 1, T: 1, heads: 3, HS: 8 },
  { B: 2, T: 5, heads: 3, HS: 8 },
  { B: 1, T: 19, heads: 1, HS: 64 },
  { B: 2, T: 9, heads: 2, HS: 7 },
];

/** What checkOp needs for `op` on `qkv`, with the first `queries` tokens as queries. Each head of a token is a row. */
export const attentionOp = (c: AttentionCase, op: (qkv: Tensor, heads: number) => Tensor, queries = c.T): OpCase => ({
  inputs: { qkv: [c.B, c.T, 3 * c.heads * c.HS] },
  build: ({ qkv }) => op(qkv!, c.heads),
  reference: ({ qkv }) => attentionReference(qkv!, c, queries),
  rowLength: c.HS,
});

/** softmax(q k^T / sqrt(HS)) v of the first `queries` tokens; qkv `[B, T, 3, heads, HS]`. */
function attentionReference(qkv: Float64Array, { B, T, heads, HS }: AttentionCase, queries: number): Float64Array {
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
        const score = (j: number): number => row(b, j, 1, h).reduce((s, k, d) => s + k * q[d]!, 0) / Math.sqrt(HS);
        const scores = Array.from({ length: T }, (_, j) => score(j));
        const peak = Math.max(...scores);
        const p = scores.map((s) => Math.exp(s - peak));
        const total = p.reduce((s, v) => s + v, 0);
        const out = y.subarray((b * queries + i) * C + h * HS);
        p.forEach((weight, j) => row(b, j, 2, h).forEach((v, d) => (out[d]! += (weight / total) * v)));
      }
    }
  }
  return y;
}
