/** Training one generator on many pairs: gradients averaged over a batch of pairs, a moving average of the weights. */
import { adam, adamHyper, checkBufferSize, ema, Graph, type Engine, type Program, type Tensor } from '../../engine/index.js';
import { CONDITION, conditionalUnet, type ConditionalSizes } from '../generators/conditional.js';
import { flatten, kaimingUniform, layoutOf, unflatten, type Layout } from '../generators/parameters.js';
import type { Image } from '../image.js';
import { drawAppearance, drawStructure, writeDraws } from '../method/augment.js';
import type { SpliceOptions } from '../method/options.js';
import { recipes, WHOLE_IMAGE_EVERY } from '../method/recipes.js';
import { names, stepGraph, type Finish, type Setting, type StepKind } from '../method/steps.js';
import { random, type Random } from '../random.js';
import { largestOf, memoryOf, type MemoryNeed } from '../training/memoryNeed.js';
import { programCache, type ProgramCache } from '../training/programs.js';
import type { TrainingRun, TrainingState } from '../training/run.js';
import { checkState, pairStored, termWeights, trainingSteps, type Submit } from '../training/steps.js';
import type { VitModel, Weight } from '../vit/config.js';
import { uploadVit } from '../vit/vit.js';
import { drawRecolour, recolourGraph } from './recolour.js';

export interface AnyPairOptions extends SpliceOptions {
  /** Side in pixels of the squares it is trained on. */
  readonly size: number;
  /** Pairs per optimiser step. */
  readonly batch: number;
  /** Share of the moving average that a step keeps, 0 to 1. */
  readonly ema: number;
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

const EPS = 1e-8;
const averageName = 'generator.average';
const gradientName = 'generator.gradient';
const stored = { ...pairStored, average: averageName };

/** The graphs that a gradient comes from. */
type GradientKind = StepKind | { readonly kind: 'recolour'; readonly size: number };

/** The moving average follows closely at first, while the weights are mostly chance. */
const averageMomentum = (most: number, updates: number): number => Math.min(most, updates / (9 + updates));

/** The mean of a batch's gradients so far, including this pair's: momentum 0, 1/2, 2/3, .. */
const accumulate: Finish = (g, _, gradient, { layout }) =>
  ema(g.parameter(gradientName, [layout.size]), gradient, g.input('momentum', [1]));

const gradientGraph = (g: Graph, kind: GradientKind, setting: Setting): Record<string, Tensor> =>
  kind.kind === 'recolour' ? recolourGraph(g, kind.size, setting, accumulate) : stepGraph(g, kind, setting, accumulate);

/** One Adam step from the mean gradient, and the moving average after it. */
function updateGraph(g: Graph, { size }: Layout): Record<string, Tensor> {
  const p = (name: string): Tensor => g.parameter(name, [size]);
  const { w } = adam(p(names.weights), p(names.momentum), p(names.variance), p(gradientName), g.input('hyper', [6]));
  return { average: ema(p(averageName), w, g.input('momentum', [1])) };
}

/** Uploads the ViT and a new generator, or an earlier state; returns the parameters that are not trained. */
function upload(engine: Engine, { vit, generator, layout, options }: Setting, from?: TrainingState): Map<string, Weight> {
  uploadVit(engine, vit);
  // PyTorch's defaults for every recipe: a recipe's own initial weights belong to its network.
  const initial = kaimingUniform(generator, random(options.seed, 'generator'));
  const weights = flatten(layout, initial);
  const values = from?.arrays ?? new Map([['weights', weights], ['average', weights]]);
  for (const [name, parameter] of [...Object.entries(stored), ['gradient', gradientName] as const]) {
    engine.writeParameter(parameter, [layout.size], values.get(name) ?? new Float32Array(layout.size));
  }
  return new Map([...initial].filter(([name]) => !layout.slices.some((s) => s.name === name)));
}

/** The steps of a run that need most. */
function memoryNeed(setting: Setting, size: number): MemoryNeed {
  const { wholeImage } = recipes[setting.options.recipe];
  const kinds: GradientKind[] = [
    { kind: 'crops', structure: size, appearance: size, whole: wholeImage === 'terms' },
    ...(wholeImage === 'step' ? [{ kind: 'uncropped' } as const] : []),
    ...(setting.options.warmStart > 0 ? [{ kind: 'recolour', size } as const] : []),
  ];
  return memoryOf([...kinds.map((kind) => gradientGraph(new Graph(), kind, setting)), updateGraph(new Graph(), setting.layout)]);
}

/** Adds the gradient of one pair, the `index`-th of the batch. */
function pairStep(
  engine: Engine, { sizes, size, seed, recipe, ...options }: AnyPairOptions, draw: (next: Random) => Promise<Pair>,
  programs: ProgramCache<GradientKind>,
) {
  return async (phase: Parameters<Submit>[0], step: number, index: number): Promise<Program> => {
    const [uncropped, isWarm] = [phase === 'uncropped', phase === 'warm-start'];
    const next = (what: string): Random =>
      random(seed, isWarm ? phase : 'train', uncropped ? 'uncropped' : 'crops', what, step, index);
    const pair = await draw(next('pair'));
    engine.writeParameter(names.structure, [1, 3, size, size], pair.structure.data);
    engine.writeParameter(names.appearance, [1, 3, size, size], pair.appearance.data);
    engine.writeParameter(CONDITION, [sizes.layers, sizes.dim], pair.condition);
    const b = drawAppearance(next('appearance'), recipe, size, size);
    const a = (isWarm ? drawRecolour : drawStructure)(next('structure'), recipe, size, size);
    const whole = phase === 'train' && recipes[recipe].wholeImage === 'terms' && step % WHOLE_IMAGE_EVERY === 0;
    const crops: GradientKind = isWarm
      ? { kind: 'recolour', size: a.size } : { kind: 'crops', structure: a.size, appearance: b.size, whole };
    const program = await programs.get(uncropped ? { kind: 'uncropped' } : crops);
    if (!uncropped) writeDraws(program, a, b);
    program.write('lambdas', termWeights({ ...options, recipe, seed }, step, whole));
    program.write('momentum', [index / (index + 1)]);
    program.run();
    return program;
  };
}

/**
 * Prepares a run. `draw` returns a random pair that depends on `next` alone, so that a resumed run, with `from`, sees the
 * same pairs. @throws Error when the generator cannot take squares of this size or `from` is of another run,
 * OutOfMemoryError when the device binds no buffer as large as the largest tensor
 */
export async function startAnyPair(
  engine: Engine, vit: VitModel, options: AnyPairOptions, draw: (next: Random) => Promise<Pair>, from?: TrainingState,
): Promise<AnyPairRun> {
  const { size } = options;
  const generator = conditionalUnet(options.sizes);
  generator.checkSize(Math.floor(0.95 * size), Math.floor(0.95 * size));
  const [layout, square]: [Layout, Image] = [layoutOf(generator), { width: size, height: size, data: new Float32Array() }];
  const precise = { ...vit, precision: options.precision };
  const setting: Setting = { vit: precise, generator, layout, structure: square, appearance: square, options };
  const memory = memoryNeed(setting, size);
  checkBufferSize(engine.device, 'the largest tensor', memory.largest);
  if (from) checkState(setting, stored, from);
  const untrained = await engine.allocate('ViT and generator', () => upload(engine, setting, from));
  const programs = programCache(engine, {
    build: (kind: GradientKind) => gradientGraph(engine.graph(), kind, setting),
    largest: (kind) => (kind.kind === 'recolour' ? { ...kind, size } : largestOf(kind, setting)),
  });
  const update = await engine.compile(updateGraph(engine.graph(), layout));

  const onPair = pairStep(engine, options, draw, programs);
  const submit: Submit = async (phase, step, updates) => {
    let last = await onPair(phase, step, 0);
    for (let i = 1; i < options.batch; i++) last = await onPair(phase, step, i);
    update.write('hyper', adamHyper({ lr: options.lr, betas: options.betas, eps: EPS }, updates));
    update.write('momentum', [averageMomentum(options.ema, updates)]);
    update.run();
    return last;
  };
  return Object.assign(trainingSteps(engine, setting, stored, from, submit), {
    memory,
    average: async () => unflatten(layout, await engine.readParameter(averageName), untrained),
    destroy: () => {
      programs.destroy();
      update.destroy();
    },
  });
}
