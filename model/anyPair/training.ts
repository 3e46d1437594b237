/** Training one generator on many pairs: gradients averaged over a batch of pairs, a moving average of the weights. */
import { adam, adamHyper, ema, type Engine, type Graph, type Program, type Tensor } from '../../engine/index.js';
import { CONDITION, conditionalUnet } from '../generators/conditional.js';
import type { ConditionalSizes } from '../generators/sizes.js';
import { kaimingUniform, layoutOf } from '../generators/parameters.js';
import type { Image } from '../image.js';
import { drawAppearance, drawStructure } from '../method/augment.js';
import type { SpliceOptions } from '../method/options.js';
import { names, stepGraph, type Finish, type Setting, type StepGraph } from '../method/steps.js';
import { random, type Random } from '../random.js';
import { largestGraphs, type GraphMaker } from '../training/memoryNeed.js';
import type { TrainingRun, TrainingState } from '../training/run.js';
import {
  averageMomentum, averageStored, prepare, stepProgram, trainingSteps, writePhotos, type Phase, type Submit,
} from '../training/steps.js';
import type { VitModel, Weight } from '../vit/config.js';
import { drawRecolour, recolourGraph } from './recolour.js';

export interface AnyPairOptions extends SpliceOptions {
  /** Side in pixels of the squares it is trained on. */
  readonly size: number;
  /** Pairs per optimiser step. */
  readonly batch: number;
  /** Adam's averaging of gradients. */
  readonly betas: readonly [number, number];
  readonly sizes: ConditionalSizes;
}

/** Two squares of the training size, and the condition that belongs to the second. */
export interface Pair {
  readonly structure: Image;
  readonly appearance: Image;
  readonly condition: Float32Array;
}

/** Made by `startAnyPair`; a step is one of the optimiser, on `batch` pairs. */
export interface AnyPairRun extends TrainingRun {
  /** The moving average of the generator's parameters, by name: the result of the training. */
  readonly average: () => Promise<Map<string, Weight>>;
}

const gradientName = 'generator.gradient';

/** The mean of a batch's gradients so far, including this pair's: momentum 0, 1/2, 2/3, .. */
const accumulate: Finish = (g, _, gradient, { layout }) =>
  ema(g.parameter(gradientName, [layout.size]), gradient, g.input('momentum', [1]));

const gradientGraph: StepGraph = (g, kind, setting) =>
  (kind.kind === 'warm-start' ? recolourGraph(g, kind.structure, setting, accumulate) : stepGraph(g, kind, setting, accumulate));

/** One Adam step from the mean gradient, and the moving average after it. */
function updateGraph(g: Graph, { layout: { size } }: Setting): Record<string, Tensor> {
  const p = (name: string): Tensor => g.parameter(name, [size]);
  const { w } = adam(p(names.weights), p(names.momentum), p(names.variance), p(gradientName), g.input('hyper', [6]));
  return { average: ema(p(names.average), w, g.input('momentum', [1])) };
}

/** PyTorch's default weights with every recipe: a recipe's own belong to its network. */
const method = { stored: averageStored, initialWeights: kaimingUniform, step: gradientGraph, other: updateGraph };

/** Everything that the graphs are made from. */
export function anyPairSetting(vit: VitModel, options: AnyPairOptions): Setting {
  const { size, sizes } = options;
  const generator = conditionalUnet(sizes);
  const square: Image = { width: size, height: size, data: new Float32Array(3 * size * size) };
  const layout = layoutOf(generator);
  return { vit: { ...vit, precision: options.precision }, generator, layout, structure: square, appearance: square, options };
}

/** The programs of a training that have most work. */
export const anyPairGraphs = (vit: VitModel, options: AnyPairOptions, graph: GraphMaker): Record<string, Tensor>[] =>
  largestGraphs(anyPairSetting(vit, options), method.step, method.other, graph);

/**
 * Prepares a run. `draw` returns a random pair that depends on `next` alone, so that a resumed run, with `from`, sees the same
 * pairs. @throws Error when the generator cannot take squares of this size, and as `prepare`
 */
export async function startAnyPair(
  engine: Engine, vit: VitModel, options: AnyPairOptions, draw: (next: Random) => Promise<Pair>, from?: TrainingState,
): Promise<AnyPairRun> {
  const { sizes, size, seed, recipe } = options;
  const setting = anyPairSetting(vit, options);
  setting.generator.checkSize(Math.floor(0.95 * size), Math.floor(0.95 * size));
  const { memory, programs, other: update, read, destroy } = await prepare(engine, setting, method, from);
  // The first pair's momentum of 0 would not remove a NaN that another run left.
  const { size: count } = setting.layout;
  engine.writeParameter(gradientName, [count], new Float32Array(count));

  /** Adds the gradient of one pair, the `index`-th of the batch. */
  const onPair = async (phase: Phase, step: number, index: number): Promise<Program> => {
    const [uncropped, isWarm] = [phase === 'uncropped', phase === 'warm-start'];
    const next = (what: string): Random =>
      random(seed, isWarm ? phase : 'train', uncropped ? 'uncropped' : 'crops', what, step, index);
    const pair = await draw(next('pair'));
    writePhotos(engine, pair);
    engine.writeParameter(CONDITION, [sizes.layers, sizes.dim], pair.condition);
    const a = (isWarm ? drawRecolour : drawStructure)(next('structure'), recipe, size, size);
    const b = isWarm ? a : drawAppearance(next('appearance'), recipe, size, size);
    const program = await stepProgram(programs, options, phase, step, a, b);
    program.write('momentum', [index / (index + 1)]);
    program.run();
    return program;
  };
  const submit: Submit = async (phase, step, updates) => {
    let last = await onPair(phase, step, 0);
    for (let i = 1; i < options.batch; i++) last = await onPair(phase, step, i);
    update.write('hyper', adamHyper({ lr: options.lr, betas: options.betas }, updates));
    update.write('momentum', [averageMomentum(options.ema, updates)]);
    update.run();
    return last;
  };
  return Object.assign(trainingSteps(engine, setting, averageStored, from, submit), {
    memory,
    destroy,
    average: () => read(names.average),
  });
}
