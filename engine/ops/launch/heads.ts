/** Sizes of multi-head attention. */
import { expectRank, ShapeError, showShape, type Shape3, type Tensor } from '../../graph/index.js';

/** Attributes of the ops of attention. */
export interface Heads {
  readonly heads: number;
}

type HeadSizes = Readonly<Record<'B' | 'T' | 'C' | 'NH' | 'HS', number>>;

/**
 * Sizes of queries, keys and values `[B, T, 3C]`: B images of T tokens, NH heads of HS elements.
 * @throws ShapeError unless qkv is [B, T, 3C] and C is a multiple of NH
 */
export function headSizes(who: string, qkv: Tensor, NH: number): HeadSizes {
  expectRank(who, 'qkv', qkv.shape, 3);
  const [B, T, width] = qkv.shape as Shape3;
  const HS = width / 3 / NH;
  if (Number.isInteger(HS)) return { B, T, C: width / 3, NH, HS };
  const both = `qkv is ${showShape(qkv.shape)}, heads are ${NH}`;
  throw new ShapeError(`${who}: the last axis of qkv must be 3 * heads * head size: ${both}`);
}

/** Overrides of all kernels of attention. */
export const headConstants = ({ C, HS }: Pick<HeadSizes, 'C' | 'HS'>): Record<string, number> =>
  ({ C, SCALE: 1 / Math.sqrt(HS) });
