/** The ViTs that `bench` measures: by size only, or from files. */
import { isTable, type VitModel } from '../../model/vit/config.js';
import { untrainedVit, vitParameters } from '../../model/vit/untrained.js';
import { loadVit } from '../models/load.js';
import { vitSizes } from './sizes.js';

/** A ViT to run. @throws UsageError, InputError as `loadVit` does */
export async function benchVit(model: string): Promise<VitModel> {
  const size = vitSizes.get(model);
  return size ? { ...untrainedVit(1, size), name: model } : (await loadVit(model)).vit;
}

/** A ViT for planning: without its weights, unless it is a file. */
export async function plannedVit(model: string): Promise<VitModel> {
  const size = vitSizes.get(model);
  if (!size) return benchVit(model);
  const weights = vitParameters(size).map(([name, shape]) => {
    const count = isTable(name) ? shape.reduce((product, n) => product * n, 1) : 0;
    return [name, { shape, data: new Float32Array(count) }] as const;
  });
  return { name: model, config: size, weights: new Map(weights) };
}
