/** Defaults of training a generator for all pairs. Where they differ from one pair's (model/method/options.ts), it is because every step sees another pair. */
import { defaultOptions } from '../method/options.js';

export const defaultAnyPair = {
  ...defaultOptions,
  recipe: 'splice-transfer',
  size: 256,
  steps: 20000,
  batch: 4,
  ema: 0.999,
  lr: 0.001,
  /** Gradients of different pairs differ; without averaging (beta1 = 0 in the recipes) Adam takes full steps after each. */
  betas: [0.9, 0.99],
  warmStart: 1000,
} as const;
