/** A pretraining run, step by step. */
import { adamwHyper, type Engine } from '../../engine/index.js';
import { flatten, unflatten } from '../generators/parameters.js';
import { random } from '../random.js';
import type { Weight, Weights } from '../vit/config.js';
import { drawCrop, type Bitmap } from './augment.js';
import type { PretrainOptions } from './options.js';
import { settingsAt } from './schedules.js';
import { keysGraph, pretrainGraph, stateNames, type PretrainSetting } from './steps.js';
import { initialWeights, networkLayout, networkRoles, vitPart } from './student.js';

/** Figures of one step. */
export interface PretrainStats {
  readonly step: number;
  readonly loss: number;
  /** Mean entropy of the teacher's distributions, in nats: log(prototypes) and 0 are the two ways to collapse. */
  readonly entropy: number;
  /** Length of the gradient before clipping. */
  readonly gradient: number;
}

/** All a run needs to be taken up again, beside its options and photos: flat arrays by name, and the steps behind them. */
export interface PretrainState {
  readonly step: number;
  readonly arrays: ReadonlyMap<keyof typeof stateNames, Float32Array>;
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
  /** The teacher's ViT under DINO's names, final norm included. */
  teacher(): Promise<Map<string, Weight>>;
  /** The teacher's keys of the last block, CLS row first: [N, T, C] of images [N, 3, side, side] in 0..1. */
  keys(images: Float32Array, side: number): Promise<{ data: Float32Array; tokens: number }>;
  sync(): Promise<void>;
  destroy(): void;
}

/** Where a run begins: at random, from a ViT's weights, or where another stopped. */
export interface PretrainStart {
  readonly init?: Weights;
  readonly state?: PretrainState;
}

/** The flat weights to begin with: random ones, those of `init` in their place. @throws Error naming a tensor of `init` with another shape */
function firstWeights({ options, layout }: PretrainSetting, init?: Weights): Float32Array {
  const weights = initialWeights(layout, options.seed);
  for (const name of vitPart(weights).keys()) {
    const given = init?.get(name);
    if (given) weights.set(name, given);
  }
  return flatten(layout, weights);
}

/** Puts the state on the device. */
function upload(engine: Engine, setting: PretrainSetting, { init, state }: PretrainStart): void {
  const { layout, options } = setting;
  const sizes = { student: layout.size, momentum: layout.size, variance: layout.size, teacher: layout.size, centre: options.prototypes };
  const first = state ? undefined : firstWeights(setting, init);
  for (const key of Object.keys(stateNames) as (keyof typeof stateNames)[]) {
    const isWeights = key === 'student' || key === 'teacher';
    const data = state ? state.arrays.get(key) : isWeights ? first : new Float32Array(sizes[key]);
    if (data?.length !== sizes[key]) throw new Error(`the saved state does not fit: ${key} has ${data?.length ?? 'no'} values, expected ${sizes[key]}`);
    engine.writeParameter(stateNames[key], [sizes[key]], data);
  }
}

/**
 * Prepares a run on `engine`: all that follows depends on photos, options and start alone, and on the device in the last bits.
 * @throws Error when there are fewer photos than a step needs, or `start` does not fit the options
 */
export async function startPretrain(engine: Engine, photos: readonly Bitmap[], options: PretrainOptions, start: PretrainStart = {}): Promise<PretrainRun> {
  const { batch, locals, imageSize, localSize, seed } = options;
  const stepsPerEpoch = Math.floor(photos.length / batch);
  if (stepsPerEpoch < 1) throw new Error(`${photos.length} photos are fewer than the ${batch} of one step`);
  const layout = networkLayout(options);
  const setting: PretrainSetting = { options, layout, roles: networkRoles(layout) };
  upload(engine, setting, start);
  const program = await engine.compile(pretrainGraph(engine.graph(), setting));
  const keyPrograms = new Map<string, Awaited<ReturnType<Engine['compile']>>>();
  let done = start.state?.step ?? 0;
  let order: { epoch: number; photos: number[] } | undefined;

  /** Crops of the photos of a step: crop by crop, photo by photo. */
  const writeCrops = (step: number): void => {
    const epoch = Math.floor(step / stepsPerEpoch);
    if (order?.epoch !== epoch) order = { epoch, photos: random(seed, 'order', epoch).permutation(photos.length) };
    const first = (step % stepsPerEpoch) * batch;
    const globals = new Float32Array(2 * batch * 3 * imageSize ** 2);
    const small = new Float32Array(Math.max(1, locals) * batch * 3 * localSize ** 2);
    for (let b = 0; b < batch; b++) {
      const photo = order.photos[first + b]!;
      for (let index = 0; index < 2 + locals; index++) {
        const crop = drawCrop(random(seed, 'crop', epoch, photo, index), photos[photo]!, index, options);
        if (index < 2) globals.set(crop, (index * batch + b) * crop.length);
        else small.set(crop, ((index - 2) * batch + b) * crop.length);
      }
    }
    program.write('globals', globals);
    program.write('locals', small);
  };

  return {
    stepsPerEpoch,
    totalSteps: stepsPerEpoch * options.epochs,
    get stepsDone() {
      return done;
    },
    step: () => {
      const { lr, weightDecay, momentum, teacherTemp, lateStep } = settingsAt(done, stepsPerEpoch, options);
      writeCrops(done);
      program.write('inverseTemp', [1 / teacherTemp]);
      program.write('momentum', [momentum]);
      program.write('centreMomentum', [options.centerMomentum]);
      program.write('hyper', adamwHyper({ lr, decay: weightDecay, clip: options.clip }, done + 1, lateStep));
      program.run();
      done++;
    },
    stats: async () => {
      const [loss, entropy, gradient] = (await program.read('stats')) as unknown as [number, number, number];
      return { step: done - 1, loss, entropy, gradient };
    },
    state: async () => {
      const arrays = new Map<keyof typeof stateNames, Float32Array>();
      for (const key of Object.keys(stateNames) as (keyof typeof stateNames)[]) arrays.set(key, await engine.readParameter(stateNames[key]));
      return { step: done, arrays };
    },
    teacher: async () => vitPart(unflatten(layout, await engine.readParameter(stateNames.teacher), new Map())),
    keys: async (images, side) => {
      const count = images.length / (3 * side * side);
      const known = keyPrograms.get(`${count} ${side}`) ?? (await engine.compile(keysGraph(engine.graph(), setting, count, side)));
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
