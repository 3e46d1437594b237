/** Settings of a training run, with the published defaults. */
import type { Dtype } from '../../engine/index.js';

/** `splice`: the paper's skip network and augmentations. `splice-transfer`: the reproduction's refined UNet and its own. */
export const RECIPE_NAMES = ['splice', 'splice-transfer'] as const;
export type RecipeName = (typeof RECIPE_NAMES)[number];

/** Parts of a pair's training that the published method lacks, each of which can be switched off. */
export interface Steadying {
  /** Share of itself that the moving average of the weights keeps in a step; the result is the average. 0: there is none. */
  readonly ema: number;
  /** Share of the steps, the last ones, over which the learning rate falls to zero. 0: it does not. */
  readonly lrDecay: number;
  /** Share of the steps, the first ones after the warm start, over which the learning rate rises from zero. 0: it does not. */
  readonly lrWarmup: number;
  /** The gradient of all weights is shortened to this length where it is longer. 0: it is not. */
  readonly clip: number;
  /** Weight of the distance between the output's patches and the appearance photo's. 0: there is none. */
  readonly lambdaPatches: number;
  /** Weight of colours in the distance of two patches, in which their tokens have 1. 0: tokens alone count. */
  readonly patchColours: number;
  /** Weight of the distance between the colours of output and appearance photo. 0: there is none. */
  readonly lambdaColours: number;
  /** Layers whose keys the structure loss compares, the first is 0. None: the last alone. */
  readonly keyLayers: readonly number[];
  /** Weight of the distance between the finest textures of output and appearance photo. 0: there is none. */
  readonly lambdaTexture: number;
  /** Share of the matching patches' colours in what the warm start aims at. 0: the structure photo itself. */
  readonly warmLook: number;
  /** Weight of the difference between results of neighbouring frames of a sequence where these are equal. 0: there is none. */
  readonly lambdaStill: number;
}

/** Everything that decides a run's numbers; together with the photos and the ViT it repeats the run. */
export interface SpliceOptions extends Steadying {
  readonly recipe: RecipeName;
  /** Optimiser steps of the method itself, after the warm start. */
  readonly steps: number;
  readonly seed: number;
  /** Seed of the first weights and of the warm start: runs of other seeds can begin where one left off. `seed` when absent. */
  readonly warmSeed?: number;
  /** Steps after the warm start that are those of `warmSeed` too; none when absent. */
  readonly sharedSteps?: number;
  readonly lambdaStructure: number;
  readonly lambdaAppearance: number;
  readonly lambdaIdentity: number;
  readonly lr: number;
  /** Filter when reducing to the ViT's input; the published runs sample points. */
  readonly antialias: boolean;
  /** Steps of plain reconstruction, see `warmLook`, before the method begins; 0 is the published behaviour. */
  readonly warmStart: number;
  /** Shorter side of the ViT's input in pixels. */
  readonly vitSize: number;
  /** Cheap parts of the generator are computed again for the gradient, not kept: the same numbers, less memory, more time. */
  readonly checkpointing: boolean;
  /** Storage of the ViT's weights and activations. Sums, statistics, gradients and the generator are always f32. */
  readonly precision: Dtype;
}

/** What a run has that begins as another seed's. */
export const BEGINNING = ['warmSeed', 'sharedSteps'] as const;

export const PRECISIONS: readonly Dtype[] = ['f32', 'f16'];

/** Nothing steadied. */
export const unsteadied: Steadying = {
  ema: 0, lrDecay: 0, lrWarmup: 0, clip: 0, lambdaPatches: 0, patchColours: 0, lambdaColours: 0, keyLayers: [],
  lambdaTexture: 0, warmLook: 0, lambdaStill: 0,
};

/** The options that differ from the defaults in the published method. */
export const published: Partial<SpliceOptions> = { warmStart: 0, ...unsteadied };

/** The options that add a term to the loss. */
export type Distances = Pick<Steadying, 'lambdaPatches' | 'lambdaColours' | 'lambdaTexture' | 'lambdaStill'>;

/** The terms that are logged: those of the loss, then its total. */
export const termNames = (options: Distances): readonly string[] => [
  'structure', 'appearance', 'identity', ...(options.lambdaPatches > 0 ? ['patches'] : []),
  ...(options.lambdaColours > 0 ? ['colours'] : []), ...(options.lambdaTexture > 0 ? ['texture'] : []),
  ...(options.lambdaStill > 0 ? ['still'] : []), 'total',
];

/** `lambdaStill` of sequences, unless another is given. */
export const STILL = 20;

/** Options without the parts that are switched off: runs that began before a part existed lack it, and are the same. */
export function withoutUnused<T extends object>(options: T): Partial<T> {
  const isUnused = ([name, value]: [string, unknown]): boolean =>
    JSON.stringify(value) === JSON.stringify(unsteadied[name as keyof Steadying]);
  return Object.fromEntries(Object.entries(options).filter((entry) => !isUnused(entry))) as Partial<T>;
}

export const defaultOptions: SpliceOptions = {
  recipe: 'splice', steps: 10000, seed: 1, lambdaStructure: 1, lambdaAppearance: 10, lambdaIdentity: 1, lr: 0.002,
  antialias: true, warmStart: 80, vitSize: 224, checkpointing: false, precision: 'f32',
  ...unsteadied, ema: 0.999, lrDecay: 0.5, clip: 1, lambdaPatches: 4, patchColours: 2, lambdaColours: 10,
  warmLook: 1,
};
