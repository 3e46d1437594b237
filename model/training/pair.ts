/** A training run: the generator of one pair of photos, step by step. */
import { adamHyper, checkBufferSize, type Engine, type Program } from '../../engine/index.js';
import { drawAppearance, drawStructure, writeDraws } from '../method/augment.js';
import { flatten, layoutOf, unflatten, type Generator } from '../generators/parameters.js';
import type { Image } from '../image.js';
import type { Losses, SpliceOptions } from '../method/options.js';
import { programCache } from './programs.js';
import { random } from '../random.js';
import { recipes, WHOLE_IMAGE_EVERY } from '../method/recipes.js';
import { checkState, type RunState } from './state.js';
import { memoryNeed, type MemoryNeed } from './memoryNeed.js';
import { names, resultGraph, stepGraph, type Setting, type StepKind } from '../method/steps.js';
import type { VitModel, Weight } from '../vit/config.js';
import { uploadVit } from '../vit/vit.js';

/** Adam's settings beside the learning rate; no momentum, as published. */
export const BETAS = [0, 0.99] as const;
export const EPS = 1e-8;

/** Which part of a run a step belongs to, and its number there, from 0. */
export interface StepInfo {
  readonly phase: 'warm-start' | 'train';
  readonly step: number;
}

/** Made by `startSplice`. Steps are submitted without waiting for the GPU. */
export interface SpliceRun {
  /** Steps of the warm start done so far. */
  readonly warmStepsDone: number;
  /** Steps of the method done so far, warm start not counted. */
  readonly stepsDone: number;
  /** Submits one step (of the warm start while that lasts) and says which it was. */
  readonly step: () => Promise<StepInfo>;
  /** Losses of the last submitted step. A warm-start step has only a total. */
  readonly losses: () => Promise<Losses>;
  /** The whole structure image through the generator, at its own size. */
  readonly result: () => Promise<Image>;
  /** The generator's parameters by name. */
  readonly weights: () => Promise<Map<string, Weight>>;
  /** Copies what `startSplice` needs to go on from here, to the last bit as if it had never stopped. */
  readonly state: () => Promise<RunState>;
  /** Waits for the GPU. @throws what went wrong since the last look */
  readonly sync: () => Promise<void>;
  /** What the run takes of the device's memory at most. */
  readonly memory: MemoryNeed;
  readonly destroy: () => void;
}

/** The same step at its largest crops. */
function largest(kind: StepKind, { structure, appearance }: Setting): StepKind {
  if (kind.kind === 'uncropped') return kind;
  return { ...kind, structure: Math.min(structure.height, structure.width), appearance: Math.min(appearance.height, appearance.width) };
}

/** Puts photos, ViT and a generator, fresh or of an earlier state, on the device; returns the parameters that are not trained. */
function upload(engine: Engine, { vit, generator, layout, structure, appearance, options }: Setting, from?: RunState): Map<string, Weight> {
  uploadVit(engine, vit);
  engine.writeParameter(names.structure, [1, 3, structure.height, structure.width], structure.data);
  engine.writeParameter(names.appearance, [1, 3, appearance.height, appearance.width], appearance.data);
  const initial = recipes[options.recipe].initialWeights(generator, random(options.seed, 'generator'));
  engine.writeParameter(names.weights, [layout.size], from?.weights ?? flatten(layout, initial));
  engine.writeParameter(names.momentum, [layout.size], from?.momentum ?? new Float32Array(layout.size));
  engine.writeParameter(names.variance, [layout.size], from?.variance ?? new Float32Array(layout.size));
  return new Map([...initial].filter(([name]) => !layout.slices.some((s) => s.name === name)));
}

/** @throws Error when a photo, or the crops made of it, is too small for the generator */
function checkSizes({ generator, structure, appearance }: Setting): void {
  for (const [what, { height, width }] of Object.entries({ structure, appearance })) {
    const crop = Math.min(Math.floor(0.95 * height), width);
    try {
      generator.checkSize(height, width);
      generator.checkSize(crop, crop);
    } catch (error) {
      throw new Error(`${what} photo of ${width}x${height} (cropped to ${crop}x${crop}): ${(error as Error).message}`);
    }
  }
}

/** Weights of the loss terms at a step, in the order of `stepGraph`: the paper's recipe begins with the appearance alone. */
export function termWeights({ recipe, lambdaStructure, lambdaAppearance, lambdaIdentity }: SpliceOptions, step: number, whole: boolean): number[] {
  const alone = recipes[recipe].appearanceFirst && step === 0;
  const crops = [alone ? 0 : lambdaStructure, lambdaAppearance, alone ? 0 : lambdaIdentity];
  return whole ? [...crops, lambdaStructure, lambdaAppearance] : crops;
}

/**
 * Prepares a run on `engine`: all that follows depends on the photos, the ViT and the options alone, and on the device in
 * the last bits. With `from`, a state of a run with the same of these, it goes on there.
 * `own` takes the place of the recipe's generator. @throws Error when a photo is too small for the generator, OutOfMemoryError when the device binds
 * no buffer as large as a tensor of it, or `from` is of another run
 */
export async function startSplice(
  engine: Engine, vit: VitModel, structure: Image, appearance: Image, options: SpliceOptions, from?: RunState, own?: Generator,
): Promise<SpliceRun> {
  const recipe = recipes[options.recipe];
  const generator = own ?? recipe.generator();
  const setting: Setting = { vit: { ...vit, precision: options.precision }, generator, layout: layoutOf(generator), structure, appearance, options };
  checkSizes(setting);
  const memory = memoryNeed(setting);
  checkBufferSize(engine.device, 'the largest tensor', memory.largest);
  if (from) checkState(setting, from);
  const untrained = await engine.allocate('photos, ViT and generator', () => upload(engine, setting, from));
  const programs = programCache(engine, { build: (kind: StepKind) => stepGraph(engine.graph(), kind, setting), largest: (kind) => largest(kind, setting) });
  const resultProgram = await engine.compile(resultGraph(engine.graph(), setting));
  let { warmStepsDone: warmSteps, stepsDone, updates } = from ?? { warmStepsDone: 0, stepsDone: 0, updates: 0 };
  let last: { program: Program; step: number } | undefined;

  const submit = async (kind: StepKind, step: number, lambdas: readonly number[], draw?: (program: Program) => void): Promise<void> => {
    const program = await programs.get(kind);
    draw?.(program);
    program.write('lambdas', lambdas);
    program.write('hyper', adamHyper({ lr: options.lr, betas: BETAS, eps: EPS }, ++updates));
    program.run();
    last = { program, step };
  };

  const onCrops = async (phase: StepInfo['phase'], step: number): Promise<void> => {
    const a = drawStructure(random(options.seed, phase, 'structure', step), options.recipe, structure.height, structure.width);
    const b = drawAppearance(random(options.seed, phase, 'appearance', step), options.recipe, appearance.height, appearance.width);
    const whole = phase === 'train' && recipe.wholeImage === 'terms' && step % WHOLE_IMAGE_EVERY === 0;
    const sizes = { structure: a.size, appearance: b.size };
    const kind: StepKind = phase === 'train' ? { kind: 'crops', ...sizes, whole } : { kind: 'warm-start', ...sizes };
    await submit(kind, step, termWeights(options, step, whole), (program) => writeDraws(program, a, b));
  };

  const nextStep = async (): Promise<StepInfo> => {
    if (warmSteps < options.warmStart) {
      await onCrops('warm-start', warmSteps);
      return { phase: 'warm-start', step: warmSteps++ };
    }
    await onCrops('train', stepsDone);
    if (recipe.wholeImage === 'step' && stepsDone % WHOLE_IMAGE_EVERY === 0) {
      const onCropsOnly = last;
      await submit({ kind: 'uncropped' }, stepsDone, termWeights(options, stepsDone, false));
      last = onCropsOnly; // the log speaks of the crops
    }
    return { phase: 'train', step: stepsDone++ };
  };

  /** Structure, appearance, identity, total; a step of the warm start has a total only. */
  const lossValues = async (): Promise<Float32Array> => {
    if (!last) return from?.losses ?? new Float32Array(4).fill(NaN);
    const values = await last.program.read('losses');
    return values.length === 4 ? values : Float32Array.of(NaN, NaN, NaN, values[2]!);
  };

  const readLosses = async (): Promise<Losses> => {
    if (!last && !from) throw new Error('losses: no step was made yet');
    const step = last?.step ?? (stepsDone > 0 ? stepsDone : warmSteps) - 1;
    const [structureTerm, appearanceTerm, identity, total] = await lossValues();
    return { step, structure: structureTerm!, appearance: appearanceTerm!, identity: identity!, total: total! };
  };

  const readState = async (): Promise<RunState> => {
    const counters = { warmStepsDone: warmSteps, stepsDone, updates };
    return {
      ...counters,
      weights: await engine.readParameter(names.weights),
      momentum: await engine.readParameter(names.momentum),
      variance: await engine.readParameter(names.variance),
      losses: await lossValues(),
    };
  };

  return {
    get warmStepsDone() {
      return warmSteps;
    },
    get stepsDone() {
      return stepsDone;
    },
    step: nextStep,
    losses: readLosses,
    result: async () => {
      resultProgram.run();
      return { width: structure.width, height: structure.height, data: await resultProgram.read('result') };
    },
    weights: async () => unflatten(setting.layout, await engine.readParameter(names.weights), untrained),
    state: readState,
    sync: () => engine.sync(),
    memory,
    destroy: () => {
      programs.destroy();
      resultProgram.destroy();
    },
  };
}
