/** AdamW with gradient clipping, one launch for all parameters of a model. */
import { adamwForward } from '../../shaders/adamw.js';
import { expectSame, sizeOf, type PlainOp, type Tensor } from '../graph/index.js';
import { adamHyper, type AdamSettings } from './adam.js';
import { spanLaunch } from './launch/pointwise.js';

/** Inputs (w, m, v, dw, roles, norm, hyper), outputs (w, m, v). */
const adamwOp: PlainOp = {
  name: 'adamw',
  inPlace: 3,
  shapes: ([w, m, v, dw, roles, norm, hyper]) => {
    const same = Object.entries({ m, v, dw, roles });
    for (const [name, t] of same) expectSame('adamw', `${name} must have w's shape`, t!.shape, w!.shape);
    expectSame('adamw', 'norm must be what globalNorm returns', norm!.shape, [1]);
    expectSame('adamw', 'hyper must be what adamwHyper returns', hyper!.shape, [10]);
    return [w!.shape, w!.shape, w!.shape];
  },
  kernel: ({ inputs: [w] }, tuning) => {
    const N = sizeOf(w!.shape);
    return { code: adamwForward, ...spanLaunch(N, tuning), flops: 17 * N };
  },
};

/** The role of an element of the flat buffers of `adamw` and `globalNorm`. */
export const adamwRoles = {
  /** Left as it is and not counted: memory between two parameters. */
  gap: -1,
  plain: 0,
  decayed: 1,
  /** Decayed, but not changed until `adamwHyper`'s second count of steps begins. */
  late: 2,
} as const;

/**
 * One step of AdamW (https://arxiv.org/abs/1711.05101), as PyTorch computes it, on gradients scaled down to a length of at most
 * `clip`. w, m and v `[N]` are parameters or inputs and are overwritten; m and v start as zeros. dw `[N]` is the gradient,
 * `roles` `[N]` one of `adamwRoles` per element, `norm` `[1]` the gradient's length, `hyper` `[10]` an input that `adamwHyper`
 * fills before every step. Returns w, m and v after the step.
 * @throws ShapeError when a tensor does not have w's shape, norm is not `[1]` or hyper not `[10]`
 */
export function adamw(
  w: Tensor, m: Tensor, v: Tensor, dw: Tensor, roles: Tensor, norm: Tensor, hyper: Tensor,
): Record<'w' | 'm' | 'v', Tensor> {
  const [newW, newM, newV] = w.graph.add(adamwOp, [w, m, v, dw, roles, norm, hyper], {}) as [Tensor, Tensor, Tensor];
  return { w: newW, m: newM, v: newV };
}

export interface AdamwSettings extends AdamSettings {
  readonly decay: number;
  /** Largest length of the gradient; absent: any. */
  readonly clip?: number;
}

/** Larger than any gradient's length, and finite. */
const NO_CLIP = 1e30;

/**
 * The values of the input `hyper` for step `t`, counted from 1. `late` is the same count for elements that began later; below 1
 * they do not change.
 * @throws RangeError when t is not a positive integer
 */
export function adamwHyper({ decay, clip = NO_CLIP, ...adam }: AdamwSettings, t: number, late: number = t): Float32Array {
  if (!Number.isInteger(t) || t < 1) throw new RangeError(`adamw: steps count from 1, got ${t}`);
  const hyper = adamHyper(adam, t);
  const lateCorrections = late < 1 ? [0, 0] : adamHyper(adam, late).slice(4);
  return Float32Array.of(...hyper.slice(0, 4), decay, clip, ...hyper.slice(4), ...lateCorrections);
}
