/** A training of one pair of photos: its generator, step by step. */
import { adamHyper, type BufferRange, type Engine } from '../../engine/index.js';
import { layoutOf, type Generator } from '../generators/parameters.js';
import type { Image } from '../image.js';
import type { SpliceOptions } from '../method/options.js';
import { paintedStructure } from '../method/painted.js';
import { recipes } from '../method/recipes.js';
import { looksOf, names, resultGraph, resultName, stepGraph, type Setting } from '../method/steps.js';
import type { VitModel, Weight } from '../vit/config.js';
import { drawnStep, frameOf } from './drawn.js';
import { meanLosses } from './meanLosses.js';
import type { TrainingRun, TrainingState } from './run.js';
import {
  averageMomentum, averageStored, pairStored, prepare, rateAt, trainingSteps, write, writeFrame, type Phase, type Submit,
} from './steps.js';

/** Adam's; no momentum, as published. */
const BETAS = [0, 0.99] as const;
/**
 * Of a warm start that aims at the look, and by how much its rate is higher. It has farther to go than to the photo itself, and
 * less chance in its gradients than the method.
 */
const WARM_BETAS = [0.9, 0.99] as const;
const WARM_RATE = 2.5;

/** Made by `startSplice`. */
export interface SpliceRun extends TrainingRun {
  /**
   * The whole structure image, or another frame of a sequence, through the generator, at its own size; with `ema`, through the
   * average of the generators.
   */
  readonly result: (frame?: number) => Promise<Image>;
  /**
   * Records the same, of a sequence the frame that came last, in a host's pass and returns the place of its values, planes
   * [3, height, width], which stays the same: for `planarToTexture` and kernels of one's own, without reading back.
   */
  readonly encodeResult: (pass: GPUComputePassEncoder) => BufferRange;
  /** The parameters, by name, of the generator that makes the result. */
  readonly weights: () => Promise<Map<string, Weight>>;
  /**
   * Mean losses of the generator that makes the result, by `termNames`, over 16 steps' draws that are the same whatever the seed.
   * Runs of a pair can be compared by them; the losses of their last steps are of other crops in each run. Steps made after it
   * compile their programs again.
   */
  readonly meanLosses: () => Promise<Record<string, number>>;
}

/** @throws Error when a photo, or the crops made of it, is too small for the generator */
function checkSizes(setting: Setting): void {
  const { generator } = setting;
  const photos = [['structure', setting.structure], ...looksOf(setting).map((look) => ['appearance', look] as const)] as const;
  for (const [what, { height, width }] of photos) {
    const crop = Math.min(Math.floor(0.95 * height), width);
    try {
      generator.checkSize(height, width);
      generator.checkSize(crop, crop);
    } catch (error) {
      throw new Error(`${what} photo of ${width}x${height} (cropped to ${crop}x${crop}): ${(error as Error).message}`);
    }
  }
}

/** What few pairs have. The labels of regions are read at every step, and may change between two. */
export interface PairMore extends Pick<Setting, 'looks' | 'regions' | 'frames'> {
  /** Replaces the recipe's. */
  readonly generator?: Generator;
}

/** Everything that a run's graphs are made from. */
export function pairSetting(
  vit: VitModel, structure: Image, appearance: Image, options: SpliceOptions, { generator: own, ...more }: PairMore = {},
): Setting {
  const generator = own ?? recipes[options.recipe].generator();
  const layout = layoutOf(generator);
  return { vit: { ...vit, precision: options.precision }, generator, layout, structure, appearance, options, ...more };
}

/** Adam's values in a step. After a warm start that aims at the look, whose means are cleared, steps count from there. */
function hyperOf(options: SpliceOptions, phase: Phase, step: number, update: number): Float32Array {
  const lr = rateAt(options, phase, step);
  if (options.warmLook === 0) return adamHyper({ lr, betas: BETAS }, update);
  if (phase === 'warm-start') return adamHyper({ lr: WARM_RATE * lr, betas: WARM_BETAS }, update);
  return adamHyper({ lr, betas: BETAS }, update - options.warmStart);
}

/**
 * Clears Adam's means. The warm start's gradients are small, and as long as a mean of their squares counts, Adam takes steps many
 * times as long as the rate, which would undo what was learned.
 */
function forget(engine: Engine, { layout }: Setting): void {
  for (const name of [names.momentum, names.variance]) engine.writeParameter(name, [layout.size], new Float32Array(layout.size));
}

/**
 * Prepares the steps of a run whose warm start aims at the look: writes that aim, of a sequence each frame's, and clears Adam's
 * means after the warm start.
 */
function warming(engine: Engine, setting: Setting): (phase: Phase, step: number) => Promise<void> {
  const { structure, frames = [structure] } = setting;
  const aims = new Map<number, Image>();
  let written: number | undefined;
  return async (phase, step) => {
    if (phase === 'train' && step === 0) {
      forget(engine, setting);
      aims.clear();
    }
    if (phase !== 'warm-start') return;
    const frame = frameOf(setting, phase, step);
    if (frame === written) return;
    writeFrame(engine, setting, frame);
    const aim = aims.get(frame) ?? await paintedStructure(engine, setting, frames[frame]!);
    aims.set(frame, aim);
    write(engine, names.aim, aim);
    written = frame;
  };
}

/**
 * Prepares a run on `engine`. What follows depends on the photos, the ViT and the options alone, and in the last bits on the
 * device. `from` is the state of a run with the same of these, from which it continues.
 * @throws Error when a photo is too small for the generator, and as `prepare`
 */
export async function startSplice(
  engine: Engine, vit: VitModel, structure: Image, appearance: Image, options: SpliceOptions, from?: TrainingState,
  more?: PairMore,
): Promise<SpliceRun> {
  const recipe = recipes[options.recipe];
  const setting = pairSetting(vit, structure, appearance, options, more);
  checkSizes(setting);
  const stored = options.ema > 0 ? averageStored : pairStored;
  const method = { stored, initialWeights: recipe.initialWeights, step: stepGraph, other: resultGraph };
  const { frames } = setting;
  const { memory, programs, other, read, destroy } = await prepare(engine, setting, method, from);

  const warm = options.warmLook > 0 && options.warmStart > 0 ? warming(engine, setting) : undefined;
  const submit: Submit = async (phase, step, update) => {
    await warm?.(phase, step);
    const program = await drawnStep(engine, setting, programs, phase, step);
    program.write('hyper', hyperOf(options, phase, step, update));
    program.writeTaken({ momentum: [averageMomentum(options.ema, update)] });
    program.run();
    return program;
  };
  const steps = trainingSteps(engine, setting, stored, from, submit);
  return Object.assign(steps, {
    memory,
    destroy,
    result: async (frame = 0) => {
      if (frames) writeFrame(engine, setting, frame);
      other.run();
      return { width: structure.width, height: structure.height, data: await other.read('result') };
    },
    encodeResult: (pass: GPUComputePassEncoder) => {
      other.encode(pass);
      return other.buffer('result');
    },
    weights: () => read(resultName(options)),
    meanLosses: async () => {
      await steps.release();
      programs.destroy(); // two sets of them may not fit
      return meanLosses(engine, setting);
    },
  });
}
