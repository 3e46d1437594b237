/** The two recipes, complete: the paper's and the reproduction's. */
import { normalize, resize, shorterSideSize, type Tensor } from '../../engine/index.js';
import { kaimingUniform, xavierNormal, type Generator } from '../generators/parameters.js';
import { skipNetwork } from '../generators/skip.js';
import { unet } from '../generators/unet.js';
import type { Random } from '../random.js';
import type { VitConfig, Weight } from '../vit/config.js';
import type { RecipeName, SpliceOptions } from './options.js';

export interface Recipe {
  readonly generator: () => Generator;
  readonly initialWeights: (generator: Generator, next: Random) => Map<string, Weight>;
  /** Height and width of the ViT's input for an image of a height and width. */
  readonly vitInput: (height: number, width: number, vit: Pick<VitConfig, 'patch'>, vitSize: number) => readonly [number, number];
  /** The ViT's input for an image [1, 3, H, W] in 0..1: resized and normalised. */
  readonly toVit: (x: Tensor, vit: VitConfig, options: Pick<SpliceOptions, 'vitSize' | 'antialias'>) => Tensor;
  /** Frequency of blur of the structure photo's crop, and rounding of a crop's side. */
  readonly blurChance: number;
  readonly roundCrop: (side: number) => number;
  /** Only the appearance loss counts in the first step. */
  readonly appearanceFirst: boolean;
  /** The whole image enters every 75 steps: as further terms of the step's loss, or in an optimiser step of its own. */
  readonly wholeImage: 'terms' | 'step';
}

export const recipes: Readonly<Record<RecipeName, Recipe>> = {
  splice: {
    generator: () => skipNetwork(),
    initialWeights: xavierNormal,
    vitInput: (height, width, { patch }, vitSize) => {
      const longest = Math.floor((480 * vitSize) / 224); // the paper's proportion
      // A panorama's shorter side would become less than a patch, and the ViT would see nothing.
      return shorterSideSize(height, width, vitSize, longest).map((side) => Math.max(side, patch)) as [number, number];
    },
    toVit: (x, vit, { vitSize, antialias }) => {
      const size = recipes.splice.vitInput(x.shape[2]!, x.shape[3]!, vit, vitSize);
      return normalize(resize(x, size, { mode: 'bilinear', antialias }), vit.mean, vit.std);
    },
    blurChance: 0.2,
    roundCrop: Math.round,
    appearanceFirst: true,
    wholeImage: 'terms',
  },
  'splice-transfer': {
    generator: () => unet(),
    initialWeights: kaimingUniform,
    vitInput: (_, __, ___, vitSize) => [vitSize, vitSize],
    toVit: (x, vit, { vitSize, antialias }) =>
      normalize(resize(x, [vitSize, vitSize], { mode: 'bicubic', antialias }), vit.mean, vit.std),
    blurChance: 0.5,
    roundCrop: Math.floor,
    appearanceFirst: false,
    wholeImage: 'step',
  },
};

/** Steps between those with the whole image; the first step is one of them. */
export const WHOLE_IMAGE_EVERY = 75;
