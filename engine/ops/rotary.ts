/** Rotary positions of queries and keys. */
import { rotaryForward } from '../../shaders/rotary.js';
import { addNode, ShapeError, showShape, sizeOf, type Op, type Tensor } from '../graph/index.js';
import { headSizes, type Heads } from './launch/heads.js';
import { spanLaunch } from './launch/pointwise.js';

interface RotaryAttrs extends Heads {
  /** Rotates back: the gradient. */
  readonly inverse: boolean;
}

/** Inputs (qkv, table). The table has no gradient: it belongs to places, not to weights. */
const rotaryOp: Op<RotaryAttrs> = {
  name: 'rotary',
  shapes: ([qkv, table], { heads }) => {
    const { T, HS } = headSizes('rotary', qkv!, heads);
    if (HS % 2 !== 0) throw new ShapeError(`rotary: heads of odd size ${HS} have no pairs: qkv is ${showShape(qkv!.shape)}`);
    if (showShape(table!.shape) === showShape([T, 2, HS / 2])) return [qkv!.shape];
    throw new ShapeError(`rotary: the table must be ${showShape([T, 2, HS / 2])}, got ${showShape(table!.shape)}`);
  },
  kernel: ({ inputs: [qkv], attrs: { heads, inverse } }, tuning) => {
    const { T, C, HS } = headSizes('rotary', qkv!, heads);
    const N = sizeOf(qkv!.shape);
    const { constants, ...launch } = spanLaunch(N, tuning, [T]);
    return { code: rotaryForward, constants: { ...constants, C, HS, SIGN: inverse ? -1 : 1 }, ...launch, flops: 2 * N };
  },
  backward: ({ inputs: [, table], attrs }, [dy]) =>
    [addNode(rotaryOp, [dy!, table!], { ...attrs, inverse: !attrs.inverse }), undefined],
};

/**
 * Queries, keys and values `[B, T, 3C]` with queries and keys rotated (https://arxiv.org/abs/2104.09864): in every head the first
 * half of the channels and the second are the two coordinates of points. `table` `[T, 2, HS / 2]` has the angles' cosines, then
 * sines, for each token. The gradient is that of qkv alone.
 * @throws ShapeError unless the table has these sizes and qkv is that of `attention`
 */
export const rotary = (qkv: Tensor, table: Tensor, heads: number): Tensor =>
  addNode(rotaryOp, [qkv, table], { heads, inverse: false });
