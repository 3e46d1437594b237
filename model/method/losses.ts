/** The three terms of Splice (Tumanyan et al., CVPR 2022), each a mean of squares. */
import { mse, reshape, selfSimilarity, slice, type Tensor } from '../../engine/index.js';
import type { VitFeatures } from '../vit/vit.js';

/** Features of image `index` of a batch: keys [T, C] and CLS [C] as batches of one. */
export function imageOf({ keys, cls }: VitFeatures, index: number): VitFeatures {
  const one = (t: Tensor): Tensor => (t.shape[0] === 1 ? t : slice(t, 0, index, index + 1));
  return { keys: one(keys), cls: one(cls) };
}

/** Layout: distance of the keys' self-similarity of the output from the structure image's. */
export const structureLoss = (output: VitFeatures, structure: VitFeatures): Tensor =>
  mse(selfSimilarity(output.keys), selfSimilarity(structure.keys));

/** Look: distance of the output's CLS token from the appearance image's. */
export function appearanceLoss(output: VitFeatures, appearance: VitFeatures): Tensor {
  const flat = (t: Tensor): Tensor => reshape(t, [t.shape[2]!]);
  return mse(flat(output.cls), flat(appearance.cls));
}

/** Distance of the generator's output for the appearance image from that image itself, by keys. */
export const identityLoss = (output: VitFeatures, appearance: VitFeatures): Tensor => mse(output.keys, appearance.keys);
