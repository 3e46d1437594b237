/** Exponential moving averages, one launch for all parameters of a model. */
import { emaForward } from '../../shaders/ema.js';
import { addNode, expectSame, sizeOf, type PlainOp, type Tensor } from '../graph/index.js';
import { vectorLaunch } from './launch/pointwise.js';

/** Inputs (mean, x, momentum), output mean. */
const emaOp: PlainOp = {
  name: 'ema',
  inPlace: 1,
  shapes: ([mean, x, momentum]) => {
    expectSame('ema', 'the average and what goes into it must have one shape', mean!.shape, x!.shape);
    expectSame('ema', 'momentum must be one number', momentum!.shape, [1]);
    return [mean!.shape];
  },
  kernel: ({ inputs: [mean] }, tuning) => {
    const N = sizeOf(mean!.shape);
    return { code: emaForward, ...vectorLaunch(N, tuning), flops: 4 * N };
  },
};

/**
 * momentum * mean + (1 - momentum) * x. `mean` `[N]` is a parameter or input and is overwritten; x `[N]`, momentum `[1]`. Has no
 * gradient.
 * @throws ShapeError when the shapes differ or momentum is not `[1]`
 */
export const ema = (mean: Tensor, x: Tensor, momentum: Tensor): Tensor => addNode(emaOp, [mean, x, momentum], {});
