/** The smallest ViT with real names, for tests of files and commands. */
import { sizeOf } from '../../engine/index.js';
import { IMAGENET_MEAN, IMAGENET_STD, type VitConfig, type Weight } from '../../model/vit/config.js';
import { vitParameters } from '../../model/vit/untrained.js';

export const tinyConfig: VitConfig = {
  dim: 8, depth: 2, heads: 1, patch: 4, image: 12, hidden: 16, eps: 1e-6, mean: IMAGENET_MEAN, std: IMAGENET_STD,
};

/** Weights of `config`, all 0.01. */
export const tinyWeights = (config: VitConfig = tinyConfig): Map<string, Weight> =>
  new Map(vitParameters(config).map(([key, shape]) => [key, { shape, data: new Float32Array(sizeOf(shape)).fill(0.01) }]));
