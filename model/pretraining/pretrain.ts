/** A pretraining run, step by step. */
import { adamwHyper, type Engine } from '../../engine/index.js';
import { uploadVit } from '../vit/vit.js';
import { flatten, unflatten } from '../generators/parameters.js';
import { random } from '../random.js';
import type { VitModel, Weight, Weights } from '../vit/config.js';
import { drawCrop, type Bitmap } from './augment.js';
import { distillation, selfDistillation, type Objective, type StateName } from './objectives.js';
import type { PretrainOptions } from './options.js';
import { settingsAt } from './schedules.js';
import { keysGraph, stateNames } from './steps.js';
import { initialWeights, vitPart } from './student.js';

/** Figures of one step. */
export interface PretrainStats {
  readonly step: number;
  readonly loss: number;
  /** Length of the gradient before clipping. */
  readonly gradient: number;
  /** Self-distillation: mean entropy of the teacher's distributions, in nats: log(prototypes) and 0 are the two ways to collapse. */
  readonly entropy?: number;
  /** Learning from another ViT: mean squared errors of the CLS token, the keys, and the keys' similarities. */
  readonly cls?: number;
  readonly keys?: number;
  readonly similarity?: number;
}

/** All a run needs to be taken up again, beside its options and photos: flat arrays by name, and the steps behind them. */
export interface PretrainState {
  readonly step: number;
  readonly arrays: ReadonlyMap<StateName, Float32Array>;
}

/** Made by `startPretrain`. Steps are submitted without waiting for the GPU. */
export interface PretrainRun {
  readonly stepsPerEpoch: number;
  readonly totalSteps: number;
  readonly stepsDone: number;
  step(): void;
  /** Of the last submitted step. */
  stats(): Promise<PretrainStats>;
  state(): Promise<PretrainState>;
  /** The ViT that was made (of self-distillation the teacher's) under DINO's names, final norm included. */
  weights(): Promise<Map<string, Weight>>;
  /** Its keys of the last block, CLS row first: [N, T, C] of images [N, 3, side, side] in 0..1. */
  keys(images: Float32Array, side: number): Promise<{ data: Float32Array; tokens: number }>;
  sync(): Promise<void>;
  destroy(): void;
}

/** Where a run begins (at random, from a ViT's weights, or where another stopped), and whom it learns from. */
export interface PretrainStart {
  /** A ViT to learn from; absent: self-distillation. */
  readonly teacher?: VitModel;
  readonly init?: Weights;
  readonly state?: PretrainState;
}

/** The flat weights to begin with: random ones, those of `init` in their place. @throws Error naming a tensor of `init` with another shape */
function firstWeights({ setting: { options, layout } }: Objective, init?: Weights): Float32Array {
  const weights = initialWeights(layout, options.seed);
  for (const name of vitPart(weights).keys()) {
    const given = init?.get(name);
    if (given) weights.set(name, given);
  }
  return flatten(layout, weights);
}

/** Puts the state on the device. */
function upload(engine: Engine, objective: Objective, { init, state, teacher }: PretrainStart): void {
  const first = state ? undefined : firstWeights(objective, init);
  for (const [key, size] of objective.state) {
    const isWeights = key === 'student' || key === 'teacher';
    const data = state ? state.arrays.get(key) : isWeights ? first : new Float32Array(size);
    if (data?.length !== size) throw new Error(`the saved state does not fit: ${key} has ${data?.length ?? 'no'} values, expected ${size}`);
    engine.writeParameter(stateNames[key], [size], data);
  }
  if (teacher) uploadVit(engine, teacher);
}

/**
 * Prepares a run on `engine`: all that follows depends on photos, options and start alone, and on the device in the last bits.
 * @throws Error when there are fewer photos than a step needs, or `start` does not fit the options
 */
export async function startPretrain(engine: Engine, photos: readonly Bitmap[], options: PretrainOptions, start: PretrainStart = {}): Promise<PretrainRun> {
  const { batch, seed } = options;
  const stepsPerEpoch = Math.floor(photos.length / batch);
  if (stepsPerEpoch < 1) throw new Error(`${photos.length} photos are fewer than the ${batch} of one step`);
  const objective = start.teacher ? distillation(options, start.teacher) : selfDistillation(options);
  const { setting, result } = objective;
  upload(engine, objective, start);
  const program = await engine.compile(objective.graph(engine.graph()));
  const keyPrograms = new Map<string, Awaited<ReturnType<Engine['compile']>>>();
  let done = start.state?.step ?? 0;
  let order: { epoch: number; photos: number[] } | undefined;

  /** Crops of the photos of a step: crop by crop, photo by photo. */
  const writeCrops = (step: number): void => {
    const epoch = Math.floor(step / stepsPerEpoch);
    if (order?.epoch !== epoch) order = { epoch, photos: random(seed, 'order', epoch).permutation(photos.length) };
    const first = (step % stepsPerEpoch) * batch;
    let drawn = 0;
    for (const [input, kinds] of objective.crops) {
      const elements = 3 * kinds[0]!.side ** 2;
      const all = new Float32Array(kinds.length * batch * elements);
      for (const [index, kind] of kinds.entries()) {
        for (let b = 0; b < batch; b++) {
          const photo = order.photos[first + b]!;
          all.set(drawCrop(random(seed, 'crop', epoch, photo, drawn + index), photos[photo]!, kind), (index * batch + b) * elements);
        }
      }
      drawn += kinds.length;
      program.write(input, all);
    }
  };

  return {
    stepsPerEpoch,
    totalSteps: stepsPerEpoch * options.epochs,
    get stepsDone() {
      return done;
    },
    step: () => {
      const settings = settingsAt(done, stepsPerEpoch, options);
      writeCrops(done);
      for (const [input, value] of Object.entries(objective.inputs(settings))) program.write(input, [value]);
      program.write('hyper', adamwHyper({ lr: settings.lr, decay: settings.weightDecay, clip: options.clip }, done + 1, settings.lateStep));
      program.run();
      done++;
    },
    stats: async () => {
      const values = await program.read('stats');
      return { step: done - 1, ...Object.fromEntries(objective.figures.map((name, i) => [name, values[i]!])) } as unknown as PretrainStats;
    },
    state: async () => {
      const arrays = new Map<StateName, Float32Array>();
      for (const key of objective.state.keys()) arrays.set(key, await engine.readParameter(stateNames[key]));
      return { step: done, arrays };
    },
    weights: async () => vitPart(unflatten(setting.layout, await engine.readParameter(stateNames[result]), new Map())),
    keys: async (images, side) => {
      const count = images.length / (3 * side * side);
      const known = keyPrograms.get(`${count} ${side}`) ?? (await engine.compile(keysGraph(engine.graph(), setting, result, count, side)));
      keyPrograms.set(`${count} ${side}`, known);
      known.write('images', images);
      known.run();
      const data = await known.read('keys');
      return { data, tokens: data.length / (count * options.dim) };
    },
    sync: () => engine.sync(),
    destroy: () => {
      for (const p of [program, ...keyPrograms.values()]) p.destroy();
    },
  };
}
