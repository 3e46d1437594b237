import { FACETS, type Facet } from '../vit/config.js';

/** `self-similarity` is that of the keys. */
export type InvertedFacet = 'cls' | Facet | 'self-similarity';
export const INVERTED_FACETS: readonly InvertedFacet[] = ['cls', ...FACETS, 'self-similarity'];

/** `skip6` is the published generator: six scales, wide windows, reflect padding. `skip` and `unet` are those of the recipes. */
export const PAINTERS = ['skip6', 'skip', 'unet', 'pixels'] as const;
export type Painter = (typeof PAINTERS)[number];

export interface InversionOptions {
  readonly facet: InvertedFacet;
  /** 0 is the first block. */
  readonly layer: number;
  readonly painter: Painter;
  readonly steps: number;
  readonly lr: number;
  /** Share of the steps, the last ones, over which the learning rate falls to zero. 0: it is constant. */
  readonly lrDecay: number;
  /** In every step new noise is added to the generator's input, less and less of it: `NOISE`. */
  readonly noise: boolean;
  /** Weight of the total variation: mean squared differences of neighbouring pixels. */
  readonly tv: number;
  readonly seed: number;
  /** Shorter side of the picture and of the ViT's input in pixels. */
  readonly vitSize: number;
}

/** By measurement: see cli/study/README.md. */
export const inversionDefaults = { lr: 0.01, lrDecay: 0.5 } as const;
