/** The arithmetic of a training step, from its plan: for estimates of time before anything runs. */
import { Graph, schedule, tuningFor } from '../../engine/index.js';
import { stepGraph, type Setting } from '../method/steps.js';
import { largestOf } from './memoryNeed.js';

/** Kernels of a GPU; the counts of other devices are nearly the same. */
const TUNING = tuningFor({ description: '', isFallback: false, subgroupSize: 0, maxInvocations: 256 });

/** Floating-point operations of an ordinary step of a run, at the largest crops. Photos need no pixels here. */
export function stepFlops(setting: Setting): number {
  const step = largestOf({ kind: 'crops', structure: 0, appearance: 0, whole: false }, setting);
  const { launches } = schedule(Object.values(stepGraph(new Graph(), step, setting)));
  return launches.reduce((sum, node) => sum + (node.op.kernel!(node, TUNING).flops ?? 0), 0);
}
