/** The published training step, which `bench` measures: the drawn landscapes, a ViT, a generator. */
import { Graph, schedule, type Engine, type Node, type Schedule, type Tensor } from '../../engine/index.js';
import type { Image } from '../../model/image.js';
import { layoutOf } from '../../model/generators/parameters.js';
import { defaultOptions, unsteadied, type SpliceOptions } from '../../model/method/options.js';
import { recipes } from '../../model/method/recipes.js';
import { stepGraph, type Setting } from '../../model/method/steps.js';
import type { VitModel } from '../../model/vit/config.js';

export interface StepOptions extends Pick<SpliceOptions, 'recipe' | 'vitSize' | 'checkpointing' | 'precision'> {
  /** Side of the crops in pixels. */
  readonly size: number;
}

export function settingOf(options: StepOptions, vit: VitModel, structure: Image, appearance: Image): Setting {
  const { recipe, vitSize, checkpointing, precision } = options;
  const generator = recipes[recipe].generator();
  return {
    vit: { ...vit, precision }, generator, layout: layoutOf(generator), structure, appearance,
    options: { ...defaultOptions, ...unsteadied, recipe, vitSize, checkpointing, precision },
  };
}

/** The outputs of one step on square crops. */
export const cropsStep = (g: Graph, structure: number, appearance: number, setting: Setting): Record<string, Tensor> =>
  stepGraph(g, { kind: 'crops', structure, appearance, whole: false }, setting);

/** The setting of square photos without pixels, for planning only. */
export function plannedSetting(options: StepOptions, vit: VitModel): Setting {
  const photo: Image = { width: options.size, height: options.size, data: new Float32Array() };
  return settingOf(options, vit, photo, photo);
}

/** The schedule of a step on square photos in graphs that `graph` makes; nothing is computed. */
export const plannedStep = (options: StepOptions, vit: VitModel, graph = (): Graph => new Graph()): Schedule =>
  schedule(Object.values(cropsStep(graph(), options.size, options.size, plannedSetting(options, vit))));

/** A launch and its count in a schedule. */
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
