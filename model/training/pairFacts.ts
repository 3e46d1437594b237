/** What a pair's training needs at sizes that are not chosen yet. */
import { layoutOf } from '../generators/parameters.js';
import type { SpliceOptions } from '../method/options.js';
import { recipes } from '../method/recipes.js';
import type { Setting } from '../method/steps.js';
import type { VitModel } from '../vit/config.js';
import { memoryNeed, wideGraph } from './memoryNeed.js';
import { stepFlops } from './stepCost.js';
import type { Choice, PairFacts, PhotoSize } from './sizes.js';

/** What trainings of `vit` on photos of these sizes need, for a device that needs the most. */
export function pairFacts(
  vit: VitModel, photos: readonly PhotoSize[], splice: SpliceOptions, outputSize?: number,
): PairFacts {
  const generator = recipes[splice.recipe].generator();
  /** The plan of a training at these sizes, which needs no pixels. */
  const settingOf = ({ size, vitSize }: Choice): Setting => {
    const [structure, appearance] = photos.map((photo) => {
      const scale = size === undefined ? 1 : size / Math.min(photo.width, photo.height);
      return { width: Math.round(photo.width * scale), height: Math.round(photo.height * scale), data: new Float32Array() };
    });
    return {
      vit: { ...vit, precision: splice.precision }, generator, layout: layoutOf(generator),
      structure: structure!, appearance: appearance!, options: { ...splice, vitSize },
    };
  };
  return {
    photos, patch: vit.config.patch, ...(outputSize !== undefined && { outputSize }),
    memory: (choice) => memoryNeed(settingOf(choice), undefined, undefined, wideGraph), // no device needs more
    flops: (choice) => stepFlops(settingOf(choice)),
  };
}
