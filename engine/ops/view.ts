/** Ops that only rename memory: no launch, no copy. */
import {
  addNode, ShapeError, showShape, sizeOf, UseError, type Op, type PlainOp, type Shape, type Tensor,
} from '../graph/index.js';

/** Elements. WebGPU binds storage buffers at multiples of 256 bytes. */
export const ALIGNMENT = 64;

interface ViewAttrs {
  readonly shape: Shape;
  /** In elements; a multiple of ALIGNMENT. */
  readonly offset: number;
}

const viewOp: Op<ViewAttrs> = {
  name: 'view',
  memory: 'view',
  shapes: ([x], { shape, offset }) => {
    if (offset % ALIGNMENT !== 0) throw new ShapeError(`view: offset ${offset} is not a multiple of ${ALIGNMENT}`);
    if (offset > 0 && x!.dtype !== 'f32') throw new ShapeError('view: part of an f16 tensor may start where it cannot be bound');
    if (offset + sizeOf(shape) <= sizeOf(x!.shape)) return [shape];
    throw new ShapeError(`view: ${showShape(shape)} at ${offset} reaches beyond ${showShape(x!.shape)}`);
  },
  backward: ({ inputs: [x], attrs: { shape } }, [dy]) => {
    if (sizeOf(x!.shape) === sizeOf(shape)) return [reshape(dy!, x!.shape)];
    throw new UseError('view: no gradient through a part of a tensor; differentiate with respect to the view itself');
  },
};

/**
 * Part of `x` from element `offset` on (a multiple of 64), as `shape`. Meant for parameters that share one flat buffer.
 * @throws ShapeError when the part is not inside x or cannot be bound
 */
export const view = (x: Tensor, shape: Shape, offset: number): Tensor => addNode(viewOp, [x], { shape, offset });

/** The same elements in another shape. @throws ShapeError when the sizes differ */
export function reshape(x: Tensor, shape: Shape): Tensor {
  if (sizeOf(shape) !== sizeOf(x.shape)) throw new ShapeError(`reshape: ${showShape(x.shape)} does not fill ${showShape(shape)}`);
  return addNode(viewOp, [x], { shape, offset: 0 });
}

/** Elements of `shape`, rounded up to the next element at which a tensor of a flat buffer may begin. */
export const alignedSize = (shape: Shape): number => Math.ceil(sizeOf(shape) / ALIGNMENT) * ALIGNMENT;

const packOp: PlainOp = {
  name: 'pack',
  memory: 'pack',
  shapes: (inputs) => {
    if (inputs.some((t) => t.dtype !== 'f32')) throw new ShapeError('pack: inputs must be f32');
    return [[inputs.reduce((sum, t) => sum + alignedSize(t.shape), 0)]];
  },
  backward: ({ inputs }, [dy]) => {
    let offset = 0;
    return inputs.map(({ shape }) => {
      const part = view(dy!, shape, offset);
      offset += alignedSize(shape);
      return part;
    });
  },
};

/**
 * One flat tensor that holds `xs` one after the other, each from a multiple of 64 elements on: `[sum of alignedSize]`.
 * The inputs are computed in their places; the gaps are left as they are. @throws ShapeError for tensors of f16
 */
export const pack = (xs: readonly Tensor[]): Tensor => addNode(packOp, xs, {});
