/** The two recipes, complete: the paper's and the reproduction's. */
import { normalize, resize, shorterSideSize, type Tensor } from '../../engine/index.js';
import { kaimingUniform, xavierNormal, type Generator } from '../generators/parameters.js';
import { skipNetwork } from '../generators/skip.js';
import { unet } from '../generators/unet.js';
import type { RecipeName, SpliceOptions } from './options.js';
import type { Random } from '../random.js';
import type { VitConfig, Weight } from '../vit/config.js';

export interface Recipe {
  readonly generator: () => Generator;
  readonly initialWeights: (generator: Generator, next: Random) => Map<string, Weight>;
  /** An image [1, 3, H, W] in 0..1 as the ViT takes it: resized and normalised. */
  readonly toVit: (x: Tensor, vit: VitConfig, options: Pick<SpliceOptions, 'vitSize' | 'antialias'>) => Tensor;
  /** Only the appearance loss counts in the first step. */
  readonly appearanceFirst: boolean;
  /** Every 75 steps the whole image is looked at: as further terms of the step's loss, or in an optimiser step of its own. */
  readonly wholeImage: 'terms' | 'step';
}

/** The paper's runs reduce to 224 pixels and at most 480; other sizes keep that proportion. */
const longestSide = (vitSize: number): number => Math.floor((480 * vitSize) / 224);

export const recipes: Readonly<Record<RecipeName, Recipe>> = {
  splice: {
    generator: () => skipNetwork(),
    initialWeights: xavierNormal,
    toVit: (x, vit, { vitSize, antialias }) => {
      const size = shorterSideSize(x.shape[2]!, x.shape[3]!, vitSize, longestSide(vitSize));
      return normalize(resize(x, size, { mode: 'bilinear', antialias }), vit.mean, vit.std);
    },
    appearanceFirst: true,
    wholeImage: 'terms',
  },
  'splice-transfer': {
    generator: () => unet(),
    initialWeights: kaimingUniform,
    toVit: (x, vit, { vitSize, antialias }) => normalize(resize(x, [vitSize, vitSize], { mode: 'bicubic', antialias }), vit.mean, vit.std),
    appearanceFirst: false,
    wholeImage: 'step',
  },
};

/** Steps between looks at the whole image; the first step is one. */
export const WHOLE_IMAGE_EVERY = 75;
