/** Sizes of multi-head attention. */
import type { Tensor } from '../../graph/graph.js';
import { expectRank, ShapeError, showShape } from '../../graph/shape.js';

/** Attributes of the ops of attention. */
export interface Heads {
  readonly heads: number;
}

/** Sizes of queries, keys and values `[B, T, 3C]`: B images of T tokens, NH heads of HS elements. */
export interface HeadSizes {
  readonly B: number;
  readonly T: number;
  readonly C: number;
  readonly NH: number;
  readonly HS: number;
}

/** @throws ShapeError unless qkv is [B, T, 3C] and C is a multiple of `heads` */
export function headSizes(who: string, qkv: Tensor, NH: number): HeadSizes {
  expectRank(who, 'qkv', qkv.shape, 3);
  const [B, T, width] = qkv.shape as [number, number, number];
  const HS = width / 3 / NH;
  if (!Number.isInteger(HS)) throw new ShapeError(`${who}: the last axis of qkv must be 3 * heads * head size: qkv is ${showShape(qkv.shape)}, heads are ${NH}`);
  return { B, T, C: width / 3, NH, HS };
}

/** Overrides of all kernels of attention. */
export const headConstants = ({ C, HS }: Pick<HeadSizes, 'C' | 'HS'>): Record<string, number> => ({ C, SCALE: 1 / Math.sqrt(HS) });
