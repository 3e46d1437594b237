/** The mean of every square window of an image. */
import { boxFilterForward } from '../../shaders/boxFilter.js';
import { addNode, expectRank, ShapeError, showShape, sizeOf, type Op, type Tensor } from '../graph/index.js';
import { threadLaunch } from './launch/pointwise.js';

const boxFilterOp: Op<{ readonly axis: number; readonly radius: number }> = {
  name: 'boxFilter',
  shapes: ([x]) => [x!.shape],
  kernel: ({ inputs: [x], attrs: { axis, radius } }, tuning) => {
    const N = sizeOf(x!.shape);
    const dims = [sizeOf(x!.shape.slice(axis + 1)), x!.shape[axis]!, radius];
    return { code: boxFilterForward, ...threadLaunch(N, tuning, dims), flops: (2 * radius + 2) * N };
  },
};

/**
 * x [B, C, H, W]: every pixel the mean of the (2 radius + 1)^2 pixels around it, x mirrored at its edges. Has no gradient.
 * @throws ShapeError when x does not have four axes, or radius is not a whole number below both sides
 */
export function boxFilter(x: Tensor, radius: number): Tensor {
  expectRank('boxFilter', 'x', x.shape, 4);
  if (!Number.isInteger(radius) || radius < 0 || radius >= Math.min(...x.shape.slice(2))) {
    throw new ShapeError(`boxFilter: the radius must be a whole number below both sides: ${radius} for ${showShape(x.shape)}`);
  }
  return [2, 3].reduce((y, axis) => addNode(boxFilterOp, [y], { axis, radius }), x);
}
