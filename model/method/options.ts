/** Settings of a training run, with the published defaults. */
import type { Dtype } from '../../engine/index.js';

/** `splice`: the paper's skip network and augmentations. `splice-transfer`: the reproduction's refined UNet and its own. */
export type RecipeName = 'splice' | 'splice-transfer';

/** Everything that decides what a run computes; together with the photos and the ViT it repeats the run. */
export interface SpliceOptions {
  readonly recipe: RecipeName;
  /** Optimiser steps of the method itself, after the warm start. */
  readonly steps: number;
  readonly seed: number;
  readonly lambdaStructure: number;
  readonly lambdaAppearance: number;
  readonly lambdaIdentity: number;
  readonly lr: number;
  /** Filter when reducing to the ViT's input; the published runs point-sampled. */
  readonly antialias: boolean;
  /** Steps of plain reconstruction before the method begins; 0 is the published behaviour. */
  readonly warmStart: number;
  /** Shorter side of the ViT's input in pixels. */
  readonly vitSize: number;
  /** Compute what is cheap of the generator again instead of keeping it for the gradient: the same numbers, less memory, more time. */
  readonly checkpointing: boolean;
  /** How the ViT's weights and activations are stored. Sums, statistics, gradients and the generator are f32 in any case. */
  readonly precision: Dtype;
}

export const PRECISIONS: readonly Dtype[] = ['f32', 'f16'];

export const defaultOptions: SpliceOptions = {
  recipe: 'splice',
  steps: 10000,
  seed: 1,
  lambdaStructure: 1,
  lambdaAppearance: 10,
  lambdaIdentity: 1,
  lr: 0.002,
  antialias: true,
  warmStart: 80,
  vitSize: 224,
  checkpointing: false,
  precision: 'f32',
};
