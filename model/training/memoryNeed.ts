/** The device memory that a run needs, from the plans of its largest programs. Nothing is allocated to find out. */
import { Graph, parameterOp, schedule, type Tensor } from '../../engine/index.js';
import type { Image } from '../image.js';
import { recipes } from '../method/recipes.js';
import { looksOf, resultGraph, stepGraph, type Setting, type StepGraph, type StepKind } from '../method/steps.js';

/** In bytes. */
export interface MemoryNeed {
  readonly total: number;
  /** Of the total, the buffers that steps work in; all programs share them. */
  readonly slots: number;
  /** Lower bound of any plan: the largest sum of tensors alive at once. */
  readonly lowerBound: number;
  /** The largest single buffer. Devices limit it: `maxStorageBufferBindingSize`. */
  readonly largest: number;
}

/** For people. */
export const showBytes = (bytes: number): string =>
  (bytes >= 2 ** 30 ? `${(bytes / 2 ** 30).toFixed(1)} GiB` : `${Math.ceil(bytes / 2 ** 20)} MiB`);

/** A line for people. */
export function describeMemory({ total, slots, largest }: MemoryNeed): string {
  const of = `${showBytes(slots)} of it for the largest step`;
  return `memory: ${showBytes(total)} on the device, ${of}; the largest buffer has ${showBytes(largest)}`;
}

/** The same kind of step at the largest crops. */
export function largestOf(kind: StepKind, setting: Setting): StepKind {
  const side = ({ height, width }: Image): number => Math.min(height, width);
  const appearance = looksOf(setting)[kind.look ?? 0]!;
  return kind.kind === 'uncropped' ? kind : { ...kind, structure: side(setting.structure), appearance: side(appearance) };
}

/** Makes an empty graph, for a device (`engine.graph()`) or for none. */
export type GraphMaker = () => Graph;

/** A graph for a GPU, whose plans need more memory than those of other devices. */
export const wideGraph: GraphMaker = () => new Graph(true);

/** The steps of a run at their largest, and its program besides them: of the result, or of the update. */
export function largestGraphs(
  setting: Setting, step: StepGraph = stepGraph, other = resultGraph, graph: GraphMaker = () => new Graph(),
): Record<string, Tensor>[] {
  const { wholeImage } = recipes[setting.options.recipe];
  const sizes = { structure: 0, appearance: 0 };
  const kinds: StepKind[] = [
    { kind: 'crops', ...sizes, whole: wholeImage === 'terms' },
    ...(wholeImage === 'step' ? [{ kind: 'uncropped' } as const] : []),
    ...(setting.options.warmStart > 0 ? [{ kind: 'warm-start', ...sizes } as const] : []),
  ];
  const looks = looksOf(setting).map((_, look) => (look > 0 ? { look } : {}));
  const all = kinds.flatMap((kind) => looks.map((look) => ({ ...kind, ...look })));
  const steps = all.map((kind) => step(graph(), largestOf(kind, setting), setting));
  return [...steps, other(graph(), setting)];
}

/** The need of these. */
export const memoryNeed = (setting: Setting, step?: StepGraph, other?: typeof resultGraph, graph?: GraphMaker): MemoryNeed =>
  memoryOf(largestGraphs(setting, step, other, graph));

/** The need of programs with these outputs, each in a graph of its own. */
export function memoryOf(programs: readonly Readonly<Record<string, Tensor>>[]): MemoryNeed {
  const plans = programs.map((outputs) => schedule(Object.values(outputs)).plan);
  const pool: number[] = [];
  for (const { slots } of plans) slots.forEach((bytes, i) => (pool[i] = Math.max(pool[i] ?? 0, bytes)));
  const slots = pool.reduce((sum, bytes) => sum + bytes, 0);
  // Parameters are shared by name; inputs, outputs and constants belong to one program each, or nearly so.
  const parameters = new Map<string, number>();
  let own = 0;
  for (const { leaf, slot, bytes } of plans.flatMap(({ storages }) => storages)) {
    if (leaf?.op === parameterOp) parameters.set((leaf.attrs as { name: string }).name, bytes);
    else if (slot === undefined) own += bytes;
  }
  const sizes = [...parameters.values()];
  return {
    total: slots + own + sizes.reduce((sum, bytes) => sum + bytes, 0),
    slots,
    lowerBound: Math.max(...plans.map((plan) => plan.lowerBound)),
    largest: Math.max(...pool, ...sizes),
  };
}
