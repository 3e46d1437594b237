/** AdamW with gradient clipping, one launch for all parameters of a model. */
import { adamwForward } from '../../shaders/adamw.js';
import type { Op, Tensor } from '../graph/graph.js';
import { expectSame, sizeOf } from '../graph/shape.js';
import { spanLaunch } from './launch/pointwise.js';

/** Inputs (w, m, v, dw, roles, norm, hyper), outputs (w, m, v). */
const adamwOp: Op<Record<string, never>> = {
  name: 'adamw',
  inPlace: 3,
  shapes: ([w, m, v, dw, roles, norm, hyper]) => {
    for (const [name, t] of Object.entries({ m, v, dw, roles })) expectSame('adamw', `${name} must have w's shape`, t!.shape, w!.shape);
    expectSame('adamw', 'norm must be what globalNorm returns', norm!.shape, [1]);
    expectSame('adamw', 'hyper must be what adamwHyper returns', hyper!.shape, [10]);
    return [w!.shape, w!.shape, w!.shape];
  },
  kernel: (node, tuning) => {
    const N = sizeOf(node.inputs[0]!.shape);
    return { code: adamwForward, dims: [N], ...spanLaunch(N, tuning), flops: 17 * N };
  },
};

/** What happens to an element of the flat buffers of `adamw` and `globalNorm`. */
export const adamwRoles = {
  /** Left as it is and not counted: memory between two parameters. */
  gap: -1,
  plain: 0,
  decayed: 1,
  /** Decayed, but held still until `adamwHyper`'s second count of steps begins. */
  late: 2,
} as const;

/**
 * One step of AdamW (https://arxiv.org/abs/1711.05101), as PyTorch computes it, on gradients scaled down to a length of at most `clip`. w, m and v
 * `[N]` are parameters or inputs and are overwritten; m and v start as zeros. dw `[N]` is the gradient, `roles` `[N]` one of `adamwRoles` per
 * element, `norm` `[1]` the gradient's length, `hyper` `[10]` an input that `adamwHyper` fills before every step. Returns w, m and v after the step.
 * @throws ShapeError when something has not w's shape, norm is not `[1]` or hyper not `[10]`
 */
export function adamw(w: Tensor, m: Tensor, v: Tensor, dw: Tensor, roles: Tensor, norm: Tensor, hyper: Tensor): Record<'w' | 'm' | 'v', Tensor> {
  const [newW, newM, newV] = w.graph.add(adamwOp, [w, m, v, dw, roles, norm, hyper], {}) as [Tensor, Tensor, Tensor];
  return { w: newW, m: newM, v: newV };
}

/** Settings of AdamW; as in PyTorch, betas default to 0.9 and 0.999, eps to 1e-8. */
export interface AdamwSettings {
  readonly lr: number;
  readonly decay: number;
  /** Longest gradient; absent: any. */
  readonly clip?: number;
  readonly betas?: readonly [number, number];
  readonly eps?: number;
}

/** Larger than any gradient's length, and finite. */
const NO_CLIP = 1e30;

/**
 * The values of the input `hyper` for step `t`, counted from 1. `late` is the same count for elements that began later; below 1 they are held still.
 * @throws RangeError when t is not a positive integer
 */
export function adamwHyper({ lr, decay, clip = NO_CLIP, betas = [0.9, 0.999], eps = 1e-8 }: AdamwSettings, t: number, late: number = t): Float32Array {
  if (!Number.isInteger(t) || t < 1) throw new RangeError(`adamw: steps count from 1, got ${t}`);
  // The kernel has the betas as floats, and 1 - 0.999 differs from 1 minus the float next to it by 1e-5: correct for what is used.
  const [beta1, beta2] = betas.map(Math.fround) as [number, number];
  const corrections = (steps: number): number[] => (steps < 1 ? [0, 0] : [1 - beta1 ** steps, Math.sqrt(1 - beta2 ** steps)]);
  return Float32Array.of(lr, beta1, beta2, eps, decay, clip, ...corrections(t), ...corrections(late));
}
