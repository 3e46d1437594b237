/** A training of one pair of photos: its generator, step by step. */
import { adamHyper, type BufferRange, type Engine, type Program } from '../../engine/index.js';
import { layoutOf, type Generator } from '../generators/parameters.js';
import type { Image } from '../image.js';
import { drawAppearance, drawStructure, type Draw } from '../method/augment.js';
import type { SpliceOptions } from '../method/options.js';
import { recipes } from '../method/recipes.js';
import { colourValues, COMPARISONS, regionValues, tokenLabels, type Labels } from '../method/regions.js';
import { colourSize, looksOf, resultGraph, resultName, stepGraph, type Setting } from '../method/steps.js';
import { DIRECTIONS, drawDirections } from '../method/texture.js';
import { random } from '../random.js';
import type { VitModel, Weight } from '../vit/config.js';
import type { TrainingRun, TrainingState } from './run.js';
import {
  averageMomentum, averageStored, pairStored, prepare, rateAt, stepProgram, trainingSteps, writeFrame, type Submit,
} from './steps.js';

/** Adam's; no momentum, as published. */
const BETAS = [0, 0.99] as const;

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

/** Writes the regions of a step's tokens, of the whole photos without crops `a` and `b`. */
function writeRegions(program: Program, setting: Setting, look: number, a?: Draw, b?: Draw): void {
  const { regions, vit, options } = setting;
  const { count, structure, appearances } = regions!;
  const { patch } = vit.config;
  /** Of the patches of the ViT's input, and of the pixels at which colours are compared. */
  const labelsOf = (labels: Labels, crop: Draw | undefined): readonly [Uint8Array, Uint8Array] => {
    const { height, width } = crop ? { height: crop.size, width: crop.size } : labels;
    const input = recipes[options.recipe].vitInput(height, width, vit.config, options.vitSize);
    const pixels = colourSize(height, width, setting);
    return [tokenLabels(labels, { input, patch }, crop), tokenLabels(labels, { input: pixels, patch: 1 }, crop)];
  };
  for (const [comparison, made] of [[COMPARISONS.crops, a], [COMPARISONS.whole, undefined]] as const) {
    if (!program.takes(`${comparison}.free`)) continue;
    const [x, y] = [labelsOf(structure, made), labelsOf(appearances[look]!, b)];
    const values = Object.entries({ ...regionValues(x[0], y[0], count), ...colourValues(x[1], y[1], count) });
    program.writeTaken(Object.fromEntries(values.map(([name, data]) => [`${comparison}.${name}`, data])));
  }
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
  const looks = looksOf(setting);
  const { memory, programs, other, read, destroy } = await prepare(engine, setting, method, from);

  const submit: Submit = async (phase, step, update) => {
    const next = (what: string) => random(options.seed, phase, what, step);
    const a = drawStructure(next('structure'), options.recipe, structure.height, structure.width);
    const look = step % looks.length;
    const b = drawAppearance(next('appearance'), options.recipe, looks[look]!.height, looks[look]!.width);
    const program = await stepProgram(programs, options, phase, step, a, b, look);
    if (frames) writeFrame(engine, setting, next('frame').integer(0, frames.length - 1));
    program.write('hyper', adamHyper({ lr: rateAt(options, phase, step), betas: BETAS }, update));
    if (program.takes(DIRECTIONS)) program.write(DIRECTIONS, drawDirections(next('directions')));
    if (setting.regions) writeRegions(program, setting, look, ...(phase === 'uncropped' ? [] : [a, b]));
    program.writeTaken({ momentum: [averageMomentum(options.ema, update)] });
    program.run();
    return program;
  };
  return Object.assign(trainingSteps(engine, setting, stored, from, submit), {
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
  });
}
