/** ViTs that are given by their size only, with random weights: speed does not depend on the weights. */
import { IMAGENET_MEAN, IMAGENET_STD, type VitConfig } from '../../model/vit/config.js';

const config = (dim: number, heads: number, patch: number): VitConfig =>
  ({ dim, depth: 12, heads, patch, image: 224, hidden: 4 * dim, eps: 1e-6, mean: IMAGENET_MEAN, std: IMAGENET_STD });

/** As DINOv2's with registers. */
const dino2 = (dim: number, heads: number): VitConfig =>
  ({ ...config(dim, heads, 14), image: 518, registers: 4, positions: 'antialiased' });

export const vitSizes: ReadonlyMap<string, VitConfig> = new Map([
  ['vit-tiny-16', config(192, 3, 16)],
  ['vit-small-16', config(384, 6, 16)],
  ['vit-small-8', config(384, 6, 8)],
  ['vit-small-14', dino2(384, 6)],
  ['vit-base-16', config(768, 12, 16)],
  ['vit-base-8', config(768, 12, 8)],
  ['vit-base-14', dino2(768, 12)],
]);
