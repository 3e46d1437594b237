/** Training one generator on many pairs: gradients averaged over a batch of pairs, a moving average of the weights. */
import { adam, adamHyper, ema, type Engine, type Program } from '../../engine/index.js';
import { drawAppearance, drawStructure, writeDraws } from '../method/augment.js';
import { CONDITION, conditionalUnet, type ConditionalSizes } from '../generators/conditional.js';
import { flatten, kaimingUniform, layoutOf, unflatten, type Layout } from '../generators/parameters.js';
import type { Image } from '../image.js';
import type { SpliceOptions } from '../method/options.js';
import { programCache } from '../training/programs.js';
import { random, type Random } from '../random.js';
import { recipes, WHOLE_IMAGE_EVERY } from '../method/recipes.js';
import { checkState, type RunState } from '../training/state.js';
import { termWeights, type SpliceRun, type StepInfo } from '../training/pair.js';
import { drawRecolour, recolourGraph } from './recolour.js';
import { names, stepGraph, type Finish, type Setting, type StepKind } from '../method/steps.js';
import type { VitModel, Weight } from '../vit/config.js';
import { uploadVit } from '../vit/vit.js';

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

/** Like a run of one pair (model/training/pair.ts); a step is one of the optimiser, on `batch` pairs. */
export interface AnyPairRun extends Pick<SpliceRun, 'warmStepsDone' | 'stepsDone' | 'step' | 'losses' | 'state' | 'sync' | 'destroy'> {
  /** The moving average of the generator's parameters, which is what one uses, by name. */
  readonly average: () => Promise<Map<string, Weight>>;
}

const EPS = 1e-8;
const averageName = 'generator.average';
const gradientName = 'generator.gradient';

/** What a gradient is of. */
type GradientKind = StepKind | { readonly kind: 'recolour'; readonly size: number };

/** The moving average follows closely at first, when the weights still are mostly chance. */
const averageMomentum = (most: number, updates: number): number => Math.min(most, updates / (9 + updates));

/** The mean of a batch's gradients so far, with this pair's: momentum 0, 1/2, 2/3, .. */
const accumulate: Finish = (g, _, gradient, { layout }) => ema(g.parameter(gradientName, [layout.size]), gradient, g.input('momentum', [1]));

/** One Adam step from the mean gradient, and the moving average after it. */
async function updateProgram(engine: Engine, { size }: Layout): Promise<Program> {
  const g = engine.graph();
  const p = (name: string) => g.parameter(name, [size]);
  const { w } = adam(p(names.weights), p(names.momentum), p(names.variance), p(gradientName), g.input('hyper', [6]));
  return engine.compile({ average: ema(p(averageName), w, g.input('momentum', [1])) });
}

/** Puts a new generator, or an earlier state, on the device; returns the parameters that are not trained. */
function upload(engine: Engine, { vit, generator, layout, options }: Setting, from: RunState | undefined): Map<string, Weight> {
  uploadVit(engine, vit);
  // PyTorch's defaults whatever the recipe: the recipes' own go with the network they are for.
  const fresh = kaimingUniform(generator, random(options.seed, 'generator'));
  const weights = from?.weights ?? flatten(layout, fresh);
  const zeros = new Float32Array(layout.size);
  const values = { [names.weights]: weights, [averageName]: from?.average ?? weights, [names.momentum]: from?.momentum ?? zeros, [names.variance]: from?.variance ?? zeros, [gradientName]: zeros };
  for (const [name, data] of Object.entries(values)) engine.writeParameter(name, [layout.size], data);
  return new Map([...fresh].filter(([name]) => !layout.slices.some((s) => s.name === name)));
}

/**
 * Prepares a run. `draw` answers with a random pair; what it draws must depend on `next` alone, so that a run taken up again, with
 * `from`, sees the same pairs. @throws Error when the generator cannot take squares of this size, or `from` is of another run
 */
export async function startAnyPair(engine: Engine, vit: VitModel, options: AnyPairOptions, draw: (next: Random) => Promise<Pair>, from?: RunState): Promise<AnyPairRun> {
  const { size, seed, recipe } = options;
  const generator = conditionalUnet(options.sizes);
  generator.checkSize(Math.floor(0.95 * size), Math.floor(0.95 * size));
  const square: Image = { width: size, height: size, data: new Float32Array() };
  const setting: Setting = { vit: { ...vit, precision: options.precision }, generator, layout: layoutOf(generator), structure: square, appearance: square, options };
  if (from) checkState(setting, from);
  const untrained = upload(engine, setting, from);
  const programs = programCache(engine, {
    build: (kind: GradientKind) => (kind.kind === 'recolour' ? recolourGraph(engine.graph(), kind.size, setting, accumulate) : stepGraph(engine.graph(), kind, setting, accumulate)),
    largest: (kind) => (kind.kind === 'uncropped' ? kind : kind.kind === 'recolour' ? { ...kind, size } : { ...kind, structure: size, appearance: size }),
  });
  const update = await updateProgram(engine, setting.layout);
  let { warmStepsDone: warmSteps, stepsDone, updates } = from ?? { warmStepsDone: 0, stepsDone: 0, updates: 0 };
  let last: { program: Program; step: number } | undefined;

  /** Takes in one pair's gradient, the `index`-th of the batch. */
  const onPair = async (phase: StepInfo['phase'], step: number, index: number, uncropped: boolean): Promise<void> => {
    const next = (what: string): Random => random(seed, phase, uncropped ? 'uncropped' : 'crops', what, step, index);
    const pair = await draw(next('pair'));
    engine.writeParameter(names.structure, [1, 3, size, size], pair.structure.data);
    engine.writeParameter(names.appearance, [1, 3, size, size], pair.appearance.data);
    engine.writeParameter(CONDITION, [options.sizes.layers, options.sizes.dim], pair.condition);
    const b = drawAppearance(next('appearance'), recipe, size, size);
    const a = (phase === 'train' ? drawStructure : drawRecolour)(next('structure'), recipe, size, size);
    const whole = phase === 'train' && recipes[recipe].wholeImage === 'terms' && step % WHOLE_IMAGE_EVERY === 0;
    const crops: GradientKind = phase === 'train' ? { kind: 'crops', structure: a.size, appearance: b.size, whole } : { kind: 'recolour', size: a.size };
    const program = await programs.get(uncropped ? { kind: 'uncropped' } : crops);
    if (!uncropped) writeDraws(program, a, b);
    program.write('lambdas', termWeights(options, step, whole));
    program.write('momentum', [index / (index + 1)]);
    program.run();
    if (!uncropped) last = { program, step };
  };

  const optimise = async (phase: StepInfo['phase'], step: number, uncropped = false): Promise<void> => {
    for (let i = 0; i < options.batch; i++) await onPair(phase, step, i, uncropped);
    update.write('hyper', adamHyper({ lr: options.lr, betas: options.betas, eps: EPS }, ++updates));
    update.write('momentum', [averageMomentum(options.ema, updates)]);
    update.run();
  };

  const nextStep = async (): Promise<StepInfo> => {
    if (warmSteps < options.warmStart) {
      await optimise('warm-start', warmSteps);
      return { phase: 'warm-start', step: warmSteps++ };
    }
    await optimise('train', stepsDone);
    if (recipes[recipe].wholeImage === 'step' && stepsDone % WHOLE_IMAGE_EVERY === 0) await optimise('train', stepsDone, true);
    return { phase: 'train', step: stepsDone++ };
  };

  const lossValues = async (): Promise<Float32Array> => {
    if (!last) return from?.losses ?? new Float32Array(4).fill(NaN);
    const values = await last.program.read('losses');
    return values.length === 4 ? values : Float32Array.of(NaN, NaN, NaN, values[2]!);
  };
  const read = (name: string): Promise<Float32Array> => engine.readParameter(name);
  return {
    get warmStepsDone() {
      return warmSteps;
    },
    get stepsDone() {
      return stepsDone;
    },
    step: nextStep,
    losses: async () => {
      const [structure, appearance, identity, total] = await lossValues();
      return { step: last?.step ?? (stepsDone > 0 ? stepsDone : warmSteps) - 1, structure: structure!, appearance: appearance!, identity: identity!, total: total! };
    },
    state: async () => ({
      warmStepsDone: warmSteps, stepsDone, updates,
      weights: await read(names.weights), momentum: await read(names.momentum), variance: await read(names.variance), average: await read(averageName),
      losses: await lossValues(),
    }),
    average: async () => unflatten(setting.layout, await read(averageName), untrained),
    sync: () => engine.sync(),
    destroy: () => {
      programs.destroy();
      update.destroy();
    },
  };
}
