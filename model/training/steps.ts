/** The common parts of training one pair and many pairs: start, programs, order of the steps, losses, and state. */
import { checkBufferSize, type Engine, type Graph, type Program } from '../../engine/index.js';
import { flatten, unflatten } from '../generators/parameters.js';
import { writeDraws, type Draw } from '../method/augment.js';
import { termNames, type SpliceOptions } from '../method/options.js';
import { recipes, WHOLE_IMAGE_EVERY, type Recipe } from '../method/recipes.js';
import { lookName, looksOf, names, type resultGraph, type Setting, type StepGraph, type StepKind } from '../method/steps.js';
import { neighbourOf } from '../method/still.js';
import type { Image } from '../image.js';
import { random } from '../random.js';
import type { Weight } from '../vit/config.js';
import { uploadVit } from '../vit/vit.js';
import { largestOf, memoryNeed } from './memoryNeed.js';
import { programCache, type ProgramCache } from './programs.js';
import type { StepInfo, TrainingRun, TrainingState } from './run.js';

/** Engine parameters that make up the state, by the name of the array. */
type Stored = Readonly<Record<string, string>>;

export const pairStored: Stored = { weights: names.weights, momentum: names.momentum, variance: names.variance };
export const averageStored: Stored = { ...pairStored, average: names.average };

/** The share that a moving average keeps: 1/10, 2/11 .. at first, since early weights are mostly chance. */
export const averageMomentum = (most: number, update: number): number => Math.min(most, update / (9 + update));

/** The differences between the two trainings. */
interface Method {
  readonly stored: Stored;
  readonly initialWeights: Recipe['initialWeights'];
  readonly step: StepGraph;
  /** A program besides the steps: of the result, or of the update. */
  readonly other: typeof resultGraph;
}

export type Phase = StepInfo['phase'] | 'uncropped';

/** Submits optimiser step `update` (from 1); returns the program whose output `losses` belongs to `step`. */
export type Submit = (phase: Phase, step: number, update: number) => Promise<Program>;

/** Weights of the loss terms at a step, in the order of `stepGraph`. The paper's recipe begins with the appearance alone. */
function termWeights(options: SpliceOptions, step: number, whole: boolean): number[] {
  const { recipe, lambdaStructure, lambdaAppearance, lambdaIdentity } = options;
  const alone = recipes[recipe].appearanceFirst && step === 0;
  const weights: Readonly<Record<string, number>> = {
    structure: alone ? 0 : lambdaStructure, appearance: lambdaAppearance, identity: alone ? 0 : lambdaIdentity,
    patches: options.lambdaPatches, colours: options.lambdaColours, texture: options.lambdaTexture, still: options.lambdaStill,
  };
  const crops = termNames(options).slice(0, -1).map((name) => weights[name]!);
  return whole ? [...crops, lambdaStructure, lambdaAppearance] : crops;
}

type Rate = Pick<SpliceOptions, 'lr' | 'lrDecay' | 'steps'> & Partial<Pick<SpliceOptions, 'lrWarmup'>>;

/**
 * The learning rate of a step: over the first share `lrWarmup` of the steps it rises from zero, over the last share `lrDecay` it
 * falls to zero, both evenly. A run that is given more steps has the rates of the longer run from then on, so it rises again.
 */
export function rateAt({ lr, lrDecay, lrWarmup = 0, steps }: Rate, phase: Phase, step: number): number {
  if (phase === 'warm-start') return lr;
  const [rising, falling] = [lrWarmup * steps, lrDecay * steps];
  // Without a fall the rate stays the same beyond the last step too.
  return lr * Math.min(1, rising > 0 ? (step + 1) / rising : 1, falling > 0 ? (steps - step) / falling : 1);
}

/** @throws Error when a state is of another generator, or has steps that the options do not have */
function checkState({ layout, options }: Setting, stored: Stored, { counters, arrays }: TrainingState): void {
  for (const name of [...Object.keys(stored), 'losses']) {
    const [length, size] = [arrays.get(name)?.length, name === 'losses' ? termNames(options).length : layout.size];
    if (length !== size) throw new Error(`state: ${name} has ${length ?? 'no'} values, this generator needs ${size}`);
  }
  const { warmStepsDone = 0, stepsDone = 0 } = counters;
  if (warmStepsDone > options.warmStart || (stepsDone > 0 && warmStepsDone < options.warmStart)) {
    const found = `${warmStepsDone} steps of warm start and ${stepsDone} after it`;
    throw new Error(`state: ${found}, the options have a warm start of ${options.warmStart}`);
  }
}

export const write = (engine: Engine, name: string, { height, width, data }: Image): void =>
  engine.writeParameter(name, [1, 3, height, width], data);

export function writePhotos(engine: Engine, photos: Pick<Setting, 'structure' | 'appearance' | 'looks'>): void {
  write(engine, names.structure, photos.structure);
  looksOf(photos).forEach((appearance, look) => write(engine, lookName(look), appearance));
}

/** A frame of a sequence in place of the structure photo, and the one beside it. */
export function writeFrame(engine: Engine, { frames: all, structure, options }: Setting, frame: number): void {
  const frames = all ?? [structure];
  write(engine, names.structure, frames[frame]!);
  if (options.lambdaStill > 0) write(engine, names.neighbour, frames[neighbourOf(frame, frames.length)] ?? structure);
}

/** Uploads photos, ViT and a generator, new or from an earlier state; returns the parameters that are not trained. */
function upload(engine: Engine, setting: Setting, { stored, initialWeights }: Method, from?: TrainingState): Map<string, Weight> {
  const { vit, generator, layout, options } = setting;
  uploadVit(engine, vit);
  writePhotos(engine, setting);
  writeFrame(engine, setting, 0);
  const initial = initialWeights(generator, random(options.warmSeed ?? options.seed, 'generator'));
  const weights = flatten(layout, initial);
  const values = from?.arrays ?? new Map([['weights', weights], ['average', weights]]);
  for (const [name, parameter] of Object.entries(stored)) {
    engine.writeParameter(parameter, [layout.size], values.get(name) ?? new Float32Array(layout.size));
  }
  return new Map([...initial].filter(([name]) => !layout.slices.some((s) => s.name === name)));
}

/**
 * Checks, uploads and compiles what a run takes. @throws Error when `from` is of another run, OutOfMemoryError when the device
 * binds no buffer as large as the largest tensor
 */
export async function prepare(engine: Engine, setting: Setting, method: Method, from?: TrainingState) {
  const memory = memoryNeed(setting, method.step, method.other, () => engine.graph());
  checkBufferSize(engine.device, 'the largest tensor', memory.largest);
  if (from) checkState(setting, method.stored, from);
  const untrained = await engine.allocate('photos, ViT and generator', () => upload(engine, setting, method, from));
  const build = (g: Graph, kind: StepKind) => method.step(g, kind, setting);
  const programs = programCache(engine, build, (kind) => largestOf(kind, setting));
  const other = await engine.compile(method.other(engine.graph(), setting));
  return {
    memory,
    programs,
    other,
    /** All of the generator's parameters by name, the trained ones from the engine's `parameter`. */
    read: async (parameter: string) => unflatten(setting.layout, await engine.readParameter(parameter), untrained),
    destroy: () => {
      programs.destroy();
      other.destroy();
    },
  };
}

/** The program of a step, with the draws `a` of the structure and `b` of the appearance and the terms' weights written. */
export async function stepProgram(
  programs: ProgramCache<StepKind>, options: SpliceOptions, phase: Phase, step: number, a: Draw, b: Draw, look = 0,
): Promise<Program> {
  const whole = phase === 'train' && recipes[options.recipe].wholeImage === 'terms' && step % WHOLE_IMAGE_EVERY === 0;
  const sizes = { structure: a.size, appearance: b.size, ...(look > 0 && { look }) };
  const crops: StepKind = phase === 'train' ? { kind: 'crops', ...sizes, whole } : { kind: 'warm-start', ...sizes };
  const program = await programs.get(phase === 'uncropped' ? { kind: 'uncropped', ...(look > 0 && { look }) } : crops);
  if (phase !== 'uncropped') writeDraws(program, a, b);
  program.writeTaken({ lambdas: termWeights(options, step, whole) });
  return program;
}

interface Releasable {
  /** Reads the last step's losses, so that its program can be destroyed. */
  readonly release: () => Promise<void>;
}

/** The part of a run that does not depend on what its programs compute; `from` as `prepare` checked it. */
export function trainingSteps(
  engine: Engine, setting: Setting, stored: Stored, from: TrainingState | undefined, submit: Submit,
): Omit<TrainingRun, 'memory' | 'destroy'> & Releasable {
  const { options } = setting;
  const terms = termNames(options);
  let { warmStepsDone = 0, stepsDone = 0, updates = 0 } = from?.counters ?? {};
  const done = { warmStepsDone, stepsDone };
  let last: Program | undefined;
  let read = from?.arrays.get('losses') ?? new Float32Array(terms.length).fill(NaN);

  const step = async (): Promise<StepInfo> => {
    if (done.warmStepsDone < options.warmStart) {
      last = await submit('warm-start', done.warmStepsDone, ++updates);
      return { phase: 'warm-start', step: done.warmStepsDone++ };
    }
    last = await submit('train', done.stepsDone, ++updates);
    // The losses stay those of the crops.
    const isWhole = recipes[options.recipe].wholeImage === 'step' && done.stepsDone % WHOLE_IMAGE_EVERY === 0;
    if (isWhole) await submit('uncropped', done.stepsDone, ++updates);
    return { phase: 'train', step: done.stepsDone++ };
  };
  /** In the order of the terms; a step of the warm start has a total alone. */
  const lossValues = async (): Promise<Float32Array> => {
    if (!last) return read;
    const values = await last.read('losses');
    if (values.length === terms.length) return values;
    return Float32Array.from(terms, (_, i) => (i === terms.length - 1 ? values[2]! : NaN));
  };
  return Object.assign(done, {
    step,
    losses: async () => {
      const { warmStepsDone, stepsDone } = done; // more steps may be submitted meanwhile
      if (warmStepsDone + stepsDone === 0) throw new Error('losses: no step was made yet');
      const [isWarm, number] = [stepsDone === 0, (stepsDone || warmStepsDone) - 1];
      const values = await lossValues();
      if (isWarm) return { step: number, total: values.at(-1)! };
      return { step: number, ...Object.fromEntries(terms.map((term, i) => [term, values[i]!])) };
    },
    state: async () => {
      const arrays = new Map<string, Float32Array>();
      for (const [name, parameter] of Object.entries(stored)) arrays.set(name, await engine.readParameter(parameter));
      const { warmStepsDone, stepsDone } = done;
      return { counters: { warmStepsDone, stepsDone, updates }, arrays: arrays.set('losses', await lossValues()) };
    },
    sync: () => engine.sync(),
    release: async () => {
      read = await lossValues();
      last = undefined;
    },
  });
}
