/** The training step that `bench` measures: the drawn landscapes, a ViT, a generator. */
import { schedule, type Engine, type Node, type Schedule } from '../../engine/index.js';
import { layoutOf } from '../../model/generators/parameters.js';
import { defaultOptions, type RecipeName, type SpliceOptions } from '../../model/method/options.js';
import { recipes } from '../../model/method/recipes.js';
import { stepGraph, type Setting } from '../../model/method/steps.js';
import type { VitModel } from '../../model/vit/config.js';
import { Graph, type Tensor } from '../../engine/index.js';
import type { Image } from '../../model/image.js';

export interface StepOptions {
  readonly recipe: RecipeName;
  /** Side of the crops in pixels. */
  readonly size: number;
  readonly vitSize: number;
  readonly checkpointing: boolean;
  readonly precision: SpliceOptions['precision'];
}

export function settingOf({ recipe, vitSize, checkpointing, precision }: StepOptions, vit: VitModel, structure: Image, appearance: Image): Setting {
  const generator = recipes[recipe].generator();
  return {
    vit: { ...vit, precision }, generator, layout: layoutOf(generator), structure, appearance,
    options: { ...defaultOptions, recipe, vitSize, checkpointing, precision },
  };
}

/** The outputs of one step on square crops. */
export const cropsStep = (g: Graph, structure: number, appearance: number, setting: Setting): Record<string, Tensor> =>
  stepGraph(g, { kind: 'crops', structure, appearance, whole: false }, setting);

/** The schedule of a step on square photos of that side: nothing is computed, nor are pixels needed. */
export function plannedStep(options: StepOptions, vit: VitModel): Schedule {
  const photo: Image = { width: options.size, height: options.size, data: new Float32Array() };
  return schedule(Object.values(cropsStep(new Graph(), options.size, options.size, settingOf(options, vit, photo, photo))));
}

/** A launch and how often a schedule has it. */
export interface Repeated {
  readonly node: Node;
  count: number;
}

/** Launches that differ in more than their tensors, each once. */
export function distinctLaunches(engine: Engine, { launches }: Schedule): Repeated[] {
  const known = new Map<string, Repeated>();
  for (const node of launches) {
    const { code, constants = {}, dims = [], workgroups } = engine.kernelOf(node);
    const key = JSON.stringify([node.op.name, constants, dims, workgroups, node.inputs.map((t) => t.shape), code]);
    const same = known.get(key);
    if (same) same.count++;
    else known.set(key, { node, count: 1 });
  }
  return [...known.values()];
}
