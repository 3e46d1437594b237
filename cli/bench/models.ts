/** The ViTs that `bench` measures: by size only, because speed does not depend on the weights, or from files. */
import { IMAGENET_MEAN, IMAGENET_STD, type VitConfig, type VitModel } from '../../model/vit/config.js';
import { untrainedVit, vitParameters } from '../../model/vit/untrained.js';
import { knownModels, loadVit } from '../models/load.js';

const config = (dim: number, heads: number, patch: number): VitConfig =>
  ({ dim, depth: 12, heads, patch, image: 224, hidden: 4 * dim, eps: 1e-6, mean: IMAGENET_MEAN, std: IMAGENET_STD });

/** Sizes with random weights. */
const sizes: ReadonlyMap<string, VitConfig> = new Map([
  ['vit-tiny-16', config(192, 3, 16)],
  ['vit-small-16', config(384, 6, 16)],
  ['vit-small-8', config(384, 6, 8)],
  ['vit-base-16', config(768, 12, 16)],
  ['vit-base-8', config(768, 12, 8)],
]);

export const benchModels = (): string[] => [...knownModels(), ...sizes.keys()];

/** A ViT to run. @throws UsageError, InputError as `loadVit` does */
export async function benchVit(model: string): Promise<VitModel> {
  const size = sizes.get(model);
  return size ? { ...untrainedVit(1, size), name: model } : (await loadVit(model)).vit;
}

/** A ViT for planning: without its weights, unless it is a file. */
export async function plannedVit(model: string): Promise<VitModel> {
  const size = sizes.get(model);
  if (!size) return benchVit(model);
  const hasValues = (name: string) => name === 'pos_embed' || name === 'cls_token';
  const weights = vitParameters(size).map(([name, shape]) => {
    const count = hasValues(name) ? shape.reduce((product, n) => product * n, 1) : 0;
    return [name, { shape, data: new Float32Array(count) }] as const;
  });
  return { name: model, config: size, weights: new Map(weights) };
}
