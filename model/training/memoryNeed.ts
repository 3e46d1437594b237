/** What a run will need of the device's memory, from the plans of its largest programs: nothing is allocated to find out. */
import { Graph, schedule, type Tensor } from '../../engine/index.js';
import type { Setting, StepKind } from '../method/steps.js';
import { resultGraph, stepGraph } from '../method/steps.js';
import { recipes } from '../method/recipes.js';

export interface MemoryNeed {
  /** Bytes in all. */
  readonly total: number;
  /** Of them what steps work in; all programs share it. */
  readonly slots: number;
  /** The least any plan could do with: the largest sum of tensors alive at once. */
  readonly lowerBound: number;
  /** The largest single buffer. Devices limit it: `maxStorageBufferBindingSize`. */
  readonly largest: number;
}

/** The kinds of steps of a run at their largest. */
function largestSteps({ structure, appearance, options }: Setting): StepKind[] {
  const sizes = { structure: Math.min(structure.height, structure.width), appearance: Math.min(appearance.height, appearance.width) };
  const { wholeImage } = recipes[options.recipe];
  return [
    { kind: 'crops', ...sizes, whole: wholeImage === 'terms' },
    ...(wholeImage === 'step' ? [{ kind: 'uncropped' } as const] : []),
    ...(options.warmStart > 0 ? [{ kind: 'warm-start', ...sizes } as const] : []),
  ];
}

/** Plans a run's largest steps and its result. */
export function memoryNeed(setting: Setting): MemoryNeed {
  const graphs: Record<string, Tensor>[] = [...largestSteps(setting).map((kind) => stepGraph(new Graph(), kind, setting)), resultGraph(new Graph(), setting)];
  const plans = graphs.map((outputs) => schedule(Object.values(outputs)).plan);
  const pool: number[] = [];
  for (const { slots } of plans) slots.forEach((bytes, i) => (pool[i] = Math.max(pool[i] ?? 0, bytes)));
  const slots = pool.reduce((sum, bytes) => sum + bytes, 0);
  // Parameters are shared by name; inputs, outputs and constants are each program's own or nearly so.
  const parameters = new Map<string, number>();
  let own = 0;
  for (const { storages } of plans) {
    for (const { leaf, slot, bytes } of storages) {
      if (leaf?.op.name === 'parameter') parameters.set((leaf.attrs as { name: string }).name, bytes);
      else if (slot === undefined) own += bytes;
    }
  }
  const sizes = [...parameters.values()];
  return {
    total: slots + own + sizes.reduce((sum, bytes) => sum + bytes, 0),
    slots,
    lowerBound: Math.max(...plans.map((plan) => plan.lowerBound)),
    largest: Math.max(...pool, ...sizes),
  };
}
