/** Defaults of training a generator for any pair. They differ from one pair's because every step sees another pair. */
import type { ConditionalSizes } from '../generators/sizes.js';
import { defaultOptions, unsteadied } from '../method/options.js';

export const defaultAnyPair = {
  ...defaultOptions, ...unsteadied,
  recipe: 'splice-transfer', size: 256, steps: 20000, batch: 4, ema: 0.999, lr: 0.001, warmStart: 1000,
  /** Gradients of different pairs differ; without averaging (beta1 = 0 in the recipes) Adam takes full steps after each. */
  betas: [0.9, 0.99],
} as const;

export const defaultSizes: Omit<ConditionalSizes, 'layers' | 'dim'> = {
  channels: [16, 32, 64, 128, 128], tokens: 'layers', expanded: 12, width: 128, heads: 4, headSize: 16, scales: 5,
};
