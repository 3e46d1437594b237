/** Settings of a training run, with the published defaults. */
import type { Dtype } from '../../engine/index.js';

/** `splice`: the paper's skip network and augmentations. `splice-transfer`: the reproduction's refined UNet and its own. */
export const RECIPE_NAMES = ['splice', 'splice-transfer'] as const;
export type RecipeName = (typeof RECIPE_NAMES)[number];

/** Everything that decides a run's numbers; together with the photos and the ViT it repeats the run. */
export interface SpliceOptions {
  readonly recipe: RecipeName;
  /** Optimiser steps of the method itself, after the warm start. */
  readonly steps: number;
  readonly seed: number;
  readonly lambdaStructure: number;
  readonly lambdaAppearance: number;
  readonly lambdaIdentity: number;
  readonly lr: number;
  /** Filter when reducing to the ViT's input; the published runs sample points. */
  readonly antialias: boolean;
  /** Steps of plain reconstruction before the method begins; 0 is the published behaviour. */
  readonly warmStart: number;
  /** Shorter side of the ViT's input in pixels. */
  readonly vitSize: number;
  /** Cheap parts of the generator are computed again for the gradient, not kept: the same numbers, less memory, more time. */
  readonly checkpointing: boolean;
  /** Storage of the ViT's weights and activations. Sums, statistics, gradients and the generator are always f32. */
  readonly precision: Dtype;
}

export const PRECISIONS: readonly Dtype[] = ['f32', 'f16'];

export const defaultOptions: SpliceOptions = {
  recipe: 'splice', steps: 10000, seed: 1, lambdaStructure: 1, lambdaAppearance: 10, lambdaIdentity: 1, lr: 0.002,
  antialias: true, warmStart: 80, vitSize: 224, checkpointing: false, precision: 'f32',
};
