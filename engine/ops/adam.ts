/** Adam, one launch for all parameters of a model. */
import { adamForward } from '../../shaders/adam.js';
import { expectSame, sizeOf, type PlainOp, type Tensor } from '../graph/index.js';
import { vectorLaunch } from './launch/pointwise.js';

/** Inputs (w, m, v, dw, hyper), outputs (w, m, v). */
const adamOp: PlainOp = {
  name: 'adam',
  inPlace: 3,
  shapes: ([w, m, v, dw, hyper]) => {
    for (const [name, t] of Object.entries({ m, v, dw })) expectSame('adam', `${name} must have w's shape`, t!.shape, w!.shape);
    expectSame('adam', 'hyper must be what adamHyper returns', hyper!.shape, [6]);
    return [w!.shape, w!.shape, w!.shape];
  },
  kernel: ({ inputs: [w] }, tuning) => {
    const N = sizeOf(w!.shape);
    return { code: adamForward, ...vectorLaunch(N, tuning), flops: 14 * N };
  },
};

/**
 * One step of Adam (https://arxiv.org/abs/1412.6980, without weight decay), as PyTorch computes it. w, m and v `[N]` are
 * parameters or inputs and are overwritten; m and v start as zeros. dw `[N]` is the gradient, hyper `[6]` an input that
 * `adamHyper` fills before every step. Returns w, m and v after the step.
 * @throws ShapeError when m, v or dw does not have w's shape, or hyper is not `[6]`
 */
export function adam(w: Tensor, m: Tensor, v: Tensor, dw: Tensor, hyper: Tensor): Record<'w' | 'm' | 'v', Tensor> {
  const [newW, newM, newV] = w.graph.add(adamOp, [w, m, v, dw, hyper], {}) as [Tensor, Tensor, Tensor];
  return { w: newW, m: newM, v: newV };
}

/** Settings of Adam; as in PyTorch, betas default to 0.9 and 0.999, eps to 1e-8. */
export interface AdamSettings {
  readonly lr: number;
  readonly betas?: readonly [number, number];
  readonly eps?: number;
}

/**
 * The values of the input `hyper` for step `t`, counted from 1: lr, beta1, beta2, eps, 1 - beta1^t, sqrt(1 - beta2^t).
 * @throws RangeError when t is not a positive integer
 */
export function adamHyper({ lr, betas = [0.9, 0.999], eps = 1e-8 }: AdamSettings, t: number): Float32Array {
  if (!Number.isInteger(t) || t < 1) throw new RangeError(`adam: steps count from 1, got ${t}`);
  // Exact for the kernel, which has the betas as floats: 1 - 0.999 differs from 1 minus the float next to it by 1e-5.
  const [beta1, beta2] = betas.map(Math.fround) as [number, number];
  return Float32Array.of(lr, beta1, beta2, eps, 1 - beta1 ** t, Math.sqrt(1 - beta2 ** t));
}
