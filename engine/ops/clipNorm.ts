/** Gradients of limited length, one launch for all parameters of a model. */
import { clipNormForward } from '../../shaders/clipNorm.js';
import { addNode, sizeOf, type Op, type Tensor } from '../graph/index.js';
import { globalNorm } from './globalNorm.js';
import { vectorLaunch } from './launch/pointwise.js';

/** Inputs (x, length of x). */
const clipNormOp: Op<{ readonly most: number }> = {
  name: 'clipNorm',
  shapes: ([x]) => [x!.shape],
  kernel: ({ inputs: [x], attrs: { most } }, tuning) => {
    const N = sizeOf(x!.shape);
    const { constants, ...launch } = vectorLaunch(N, tuning);
    return { code: clipNormForward, constants: { ...constants, MOST: most }, ...launch, flops: N };
  },
};

/**
 * x `[N]`, shortened to the length `most` if it is longer, as PyTorch's `clip_grad_norm_` does. Elements whose role is negative
 * do not count for the length; see `globalNorm`. Has no gradient.
 * @throws ShapeError when the shapes differ, RangeError for a length that is not positive
 */
export function clipNorm(x: Tensor, roles: Tensor, most: number): Tensor {
  if (!(most > 0)) throw new RangeError(`clipNorm: the greatest length must be positive, got ${most}`);
  return addNode(clipNormOp, [x, globalNorm(x, roles)], { most });
}
