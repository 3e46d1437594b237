/** The loss of self-distillation, and the centre that prevents collapse. */
import { add, concat, crossEntropy, mul, scale, slice, softmax, sub, sum, sumLeading, type Tensor } from '../../engine/index.js';

/**
 * The teacher's distributions [2B, K]: softmax((t - centre) / temperature). t [2B, K], the first global crops' rows before the
 * second ones', centre [K], `inverseTemp` [1].
 */
export const teacherTargets = (t: Tensor, centre: Tensor, inverseTemp: Tensor): Tensor =>
  softmax(mul(sub(t, centre), inverseTemp));

/**
 * Mean of -sum(q log softmax(s / temperature)) over all pairs of a global crop seen by the teacher and another crop seen by the
 * student (equation 2 of the paper). Student logits s [V B, K], crop by crop: the two global ones, then the local ones; targets q
 * [2B, K]. Cross entropy is linear in its targets, so each student row enters once, with the sum of its one or two targets.
 */
export function dinoLoss(s: Tensor, q: Tensor, studentTemp: number): Tensor {
  const B = q.shape[0]! / 2;
  const crops = s.shape[0]! / B;
  const [first, second] = [slice(q, 0, 0, B), slice(q, 0, B, 2 * B)];
  const both = crops > 2 ? add(first, second) : first;
  const targets = concat([second, first, ...Array.from({ length: crops - 2 }, () => both)], 0);
  return scale(sum(crossEntropy(scale(s, 1 / studentTemp), targets)), 1 / (B * 2 * (crops - 1)));
}

/** Mean row [K] of the teacher's outputs [2B, K]; the centre is its moving average. */
export const batchCentre = (t: Tensor): Tensor => scale(sumLeading(t, [t.shape[1]!]), 1 / t.shape[0]!);
