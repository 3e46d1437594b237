/** A training of one pair of photos: its generator, step by step. */
import { adamHyper, checkBufferSize, type Engine } from '../../engine/index.js';
import { flatten, layoutOf, unflatten, type Generator } from '../generators/parameters.js';
import type { Image } from '../image.js';
import { drawAppearance, drawStructure, writeDraws } from '../method/augment.js';
import type { SpliceOptions } from '../method/options.js';
import { recipes, WHOLE_IMAGE_EVERY } from '../method/recipes.js';
import { names, resultGraph, stepGraph, type Setting, type StepKind } from '../method/steps.js';
import { random } from '../random.js';
import type { VitModel, Weight } from '../vit/config.js';
import { uploadVit } from '../vit/vit.js';
import { largestOf, memoryNeed } from './memoryNeed.js';
import { programCache } from './programs.js';
import type { TrainingRun, TrainingState } from './run.js';
import { checkState, pairStored, termWeights, trainingSteps, type Submit } from './steps.js';

/** Adam's settings besides the learning rate; no momentum, as published. */
const ADAM = { betas: [0, 0.99], eps: 1e-8 } as const;

/** Made by `startSplice`. */
export interface SpliceRun extends TrainingRun {
  /** The whole structure image through the generator, at its own size. */
  readonly result: () => Promise<Image>;
  /** The generator's parameters by name. */
  readonly weights: () => Promise<Map<string, Weight>>;
}

/** Uploads photos, ViT and a generator, new or from an earlier state; returns the parameters that are not trained. */
function upload(engine: Engine, setting: Setting, from?: TrainingState): Map<string, Weight> {
  const { vit, generator, layout, structure, appearance, options } = setting;
  uploadVit(engine, vit);
  engine.writeParameter(names.structure, [1, 3, structure.height, structure.width], structure.data);
  engine.writeParameter(names.appearance, [1, 3, appearance.height, appearance.width], appearance.data);
  const initial = recipes[options.recipe].initialWeights(generator, random(options.seed, 'generator'));
  const fresh = new Map([['weights', flatten(layout, initial)]]);
  for (const [name, parameter] of Object.entries(pairStored)) {
    engine.writeParameter(parameter, [layout.size], (from?.arrays ?? fresh).get(name) ?? new Float32Array(layout.size));
  }
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

/**
 * Prepares a run on `engine`. What follows depends on the photos, the ViT and the options alone, and in the last bits on
 * the device. `from` is the state of a run with the same of these; the run continues from it.
 * `own` replaces the recipe's generator. @throws Error when a photo is too small for the generator or `from` is of another
 * run, OutOfMemoryError when the device binds no buffer as large as the largest tensor
 */
export async function startSplice(
  engine: Engine, vit: VitModel, structure: Image, appearance: Image, options: SpliceOptions, from?: TrainingState,
  own?: Generator,
): Promise<SpliceRun> {
  const recipe = recipes[options.recipe];
  const generator = own ?? recipe.generator();
  const layout = layoutOf(generator);
  const setting: Setting = { vit: { ...vit, precision: options.precision }, generator, layout, structure, appearance, options };
  checkSizes(setting);
  const memory = memoryNeed(setting);
  checkBufferSize(engine.device, 'the largest tensor', memory.largest);
  if (from) checkState(setting, pairStored, from);
  const untrained = await engine.allocate('photos, ViT and generator', () => upload(engine, setting, from));
  const programs = programCache(engine, {
    build: (kind: StepKind) => stepGraph(engine.graph(), kind, setting),
    largest: (kind) => largestOf(kind, setting),
  });
  const resultProgram = await engine.compile(resultGraph(engine.graph(), setting));

  const submit: Submit = async (phase, step, update) => {
    const next = (what: string) => random(options.seed, phase, what, step);
    const a = drawStructure(next('structure'), options.recipe, structure.height, structure.width);
    const b = drawAppearance(next('appearance'), options.recipe, appearance.height, appearance.width);
    const whole = phase === 'train' && recipe.wholeImage === 'terms' && step % WHOLE_IMAGE_EVERY === 0;
    const sizes = { structure: a.size, appearance: b.size };
    const crops: StepKind = phase === 'train' ? { kind: 'crops', ...sizes, whole } : { kind: 'warm-start', ...sizes };
    const program = await programs.get(phase === 'uncropped' ? { kind: 'uncropped' } : crops);
    if (phase !== 'uncropped') writeDraws(program, a, b);
    program.write('lambdas', termWeights(options, step, whole));
    program.write('hyper', adamHyper({ lr: options.lr, ...ADAM }, update));
    program.run();
    return program;
  };
  return Object.assign(trainingSteps(engine, setting, pairStored, from, submit), {
    memory,
    result: async () => {
      resultProgram.run();
      return { width: structure.width, height: structure.height, data: await resultProgram.read('result') };
    },
    weights: async () => unflatten(layout, await engine.readParameter(names.weights), untrained),
    destroy: () => {
      programs.destroy();
      resultProgram.destroy();
    },
  });
}
