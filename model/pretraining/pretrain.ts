/** A pretraining run, step by step. */
import { adamwHyper, checkBufferSize, Graph, type Engine, type Tensor } from '../../engine/index.js';
import { flatten, unflatten } from '../generators/parameters.js';
import type { Bitmap } from '../image.js';
import { memoryOf } from '../training/memoryNeed.js';
import { programCache } from '../training/programs.js';
import type { StepInfo, TrainingRun, TrainingState } from '../training/run.js';
import type { VitModel, Weight, Weights } from '../vit/config.js';
import { interpolatePositions } from '../vit/positions.js';
import { uploadVit } from '../vit/vit.js';
import { firstBlocks } from './firstBlocks.js';
import { stepInputs } from './inputs.js';
import { distillation, selfDistillation, type Objective } from './objectives.js';
import { FROM_TEACHER, stepsPerEpoch, type PretrainOptions } from './options.js';
import { settingsAt } from './schedules.js';
import { keysGraph, stateNames } from './steps.js';
import { initialWeights, vitPart } from './student.js';

/**
 * Made by `startPretrain`. The losses of a step are `loss` and `gradient`, the gradient's length before clipping; also, of
 * self-distillation, `entropy`, the teacher's mean entropy in nats (log(prototypes) and 0 are the two ways to collapse); of
 * learning from another ViT, `cls`, `keys` and `similarity` (of the keys), mean squared errors.
 */
export interface PretrainRun extends TrainingRun {
  /** The ViT that was made (of self-distillation the teacher's) under DINO's names, final norm included. */
  readonly weights: () => Promise<Map<string, Weight>>;
  /** Its keys of the last block, CLS row first: [N, T, C] of images [N, 3, side, side] in 0..1. */
  readonly keys: (images: Float32Array, side: number) => Promise<{ data: Float32Array; tokens: number }>;
}

/** The start of a run (at random, from a ViT's weights, or where another stopped), and the ViT that it learns from. */
export interface PretrainStart {
  /** A ViT to learn from; absent: self-distillation. */
  readonly teacher?: VitModel;
  /** Weights of a ViT of the same sizes, or the teacher's first blocks. */
  readonly init?: Weights | typeof FROM_TEACHER;
  readonly state?: TrainingState;
}

/** The weights to begin with that are given. @throws Error without a teacher to take them from, or for one that does not fit */
function givenWeights({ init, teacher }: PretrainStart, options: PretrainOptions): Weights {
  if (init !== FROM_TEACHER) return vitPart(init ?? new Map());
  if (!teacher) throw new Error("init: 'teacher' needs a teacher: give one");
  return firstBlocks(teacher, options);
}

/**
 * Random flat weights, with those that are given in their place. Position embeddings of another image side are interpolated.
 * @throws Error naming a tensor that is given with another shape
 */
function firstWeights({ setting: { options, layout } }: Objective, start: PretrainStart): Float32Array {
  const [weights, all] = [initialWeights(layout, options.seed), givenWeights(start, options)];
  for (const name of weights.keys()) {
    const given = all.get(name);
    if (given) weights.set(name, name === 'pos_embed' ? positionsFor(given, options) : given);
  }
  return flatten(layout, weights);
}

/** Position embeddings for the options' image side, unless they are already or are no square's. */
function positionsFor(given: Weight, { imageSize, patch, dim }: PretrainOptions): Weight {
  const side = imageSize / patch;
  const tokens = 1 + side * side;
  const [, own = 0, width] = given.shape;
  if (own === tokens || width !== dim || !Number.isInteger(Math.sqrt(own - 1))) return given;
  return { shape: [1, tokens, dim], data: interpolatePositions(given, side, side) };
}

/** Uploads the state. @throws Error when the saved one does not fit */
function upload(engine: Engine, objective: Objective, start: PretrainStart): void {
  const { state, teacher } = start;
  const first = state ? undefined : firstWeights(objective, start);
  for (const [key, size] of objective.state) {
    const isWeights = key === 'student' || key === 'teacher';
    const data = state ? state.arrays.get(key) : isWeights ? first : new Float32Array(size);
    if (data?.length !== size) {
      throw new Error(`the saved state does not fit: ${key} has ${data?.length ?? 'no'} values, expected ${size}`);
    }
    engine.writeParameter(stateNames[key], [size], data);
  }
  if (teacher) uploadVit(engine, teacher);
}

/** Reads keys with a program for each number and size of images. */
function keysReader(engine: Engine, { setting, result }: Objective) {
  const programs = programCache(engine, (g, of: readonly [number, number]) => keysGraph(g, setting, result, ...of));
  const keys: PretrainRun['keys'] = async (images, side) => {
    const count = images.length / (3 * side * side);
    const program = await programs.get([count, side]);
    program.write('images', images);
    program.run();
    const data = await program.read('keys');
    return { data, tokens: data.length / (count * setting.options.dim) };
  };
  return { keys, destroy: programs.destroy };
}

const objectiveOf = (options: PretrainOptions, teacher: PretrainStart['teacher']): Objective =>
  (teacher ? distillation(options, teacher) : selfDistillation(options));

/** The program of a training that has most work. */
export const pretrainGraphs = (
  g: Graph, options: PretrainOptions, teacher?: PretrainStart['teacher'],
): Record<string, Tensor>[] => [objectiveOf(options, teacher).graph(g)];

/**
 * Prepares a run on `engine`. What follows depends on photos, options and start alone, and in the last bits on the device.
 * @throws Error for fewer photos than a step takes or a `start` that does not fit, OutOfMemoryError for too large a tensor
 */
export async function startPretrain(
  engine: Engine, photos: readonly Bitmap[], options: PretrainOptions, start: PretrainStart = {},
): Promise<PretrainRun> {
  const perEpoch = stepsPerEpoch(photos.length, options);
  if (perEpoch < 1) throw new Error(`${photos.length} photos are fewer than the ${options.batch} of one step`);
  const objective = objectiveOf(options, start.teacher);
  const memory = memoryOf([objective.graph(engine.graph())]);
  checkBufferSize(engine.device, 'the largest tensor', memory.largest);
  await engine.allocate('the ViT and its head', () => upload(engine, objective, start));
  const program = await engine.compile(objective.graph(engine.graph()));
  const reader = keysReader(engine, objective);
  const inputs = await stepInputs(engine, objective, photos, options);
  const done = { warmStepsDone: 0, stepsDone: start.state?.counters['stepsDone'] ?? 0 };
  let ofSaved = start.state?.arrays.get('losses'); // until another step is made
  const figures = async (): Promise<Float32Array> => ofSaved ?? program.read('stats');

  return Object.assign(done, {
    memory,
    step: async (): Promise<StepInfo> => {
      const step = done.stepsDone;
      const settings = settingsAt(step, perEpoch, options);
      for (const [input, values] of await inputs.of(step)) program.write(input, values);
      for (const [input, value] of Object.entries(objective.inputs(settings))) program.write(input, [value]);
      const { lr, weightDecay: decay, lateStep } = settings;
      program.write('hyper', adamwHyper({ lr, decay, clip: options.clip }, ++done.stepsDone, lateStep));
      program.run();
      ofSaved = undefined;
      // The next step's crops are drawn while the device computes this one.
      if (done.stepsDone < perEpoch * options.epochs) inputs.ahead(done.stepsDone);
      return { phase: 'train', step };
    },
    losses: async () => {
      const step = done.stepsDone - 1; // more steps may be submitted meanwhile
      const values = await figures();
      return { step, ...Object.fromEntries(objective.figures.map((name, i) => [name, values[i]!])) };
    },
    state: async () => {
      const arrays = new Map<string, Float32Array>();
      for (const key of objective.state.keys()) arrays.set(key, await engine.readParameter(stateNames[key]));
      return { counters: { stepsDone: done.stepsDone }, arrays: arrays.set('losses', await figures()) };
    },
    weights: async () =>
      vitPart(unflatten(objective.setting.layout, await engine.readParameter(stateNames[objective.result]), new Map())),
    keys: reader.keys,
    sync: () => engine.sync(),
    destroy: () => {
      program.destroy();
      inputs.destroy();
      reader.destroy();
    },
  });
}
