/** The sizes of a conditional generator. Light, because the command line lists them. */
import type { UnetOptions } from './unet.js';

/**
 * The tokens of an appearance. `layers`: the CLS token of every layer, and a learned constant one, so that a pixel may ignore the
 * appearance. `expanded`: several made of the last layer's CLS token. `single`, the ablation: the last layer's as it is; softmax
 * over one key is 1, so every pixel gets the same vector.
 */
export const TOKEN_MODES = ['layers', 'expanded', 'single'] as const;

/** Everything that decides the shapes of a conditional generator's parameters; kept in its file. */
export interface ConditionalSizes {
  /** Layers and width of the ViT whose CLS tokens it takes. */
  readonly layers: number;
  readonly dim: number;
  /** Channels of the UNet's scales, outermost first. */
  readonly channels: NonNullable<UnetOptions['down']>;
  readonly tokens: (typeof TOKEN_MODES)[number];
  /** Number of tokens that `expanded` makes of the last CLS token. */
  readonly expanded: number;
  /** Width of the encoder's tokens. */
  readonly width: number;
  readonly heads: number;
  readonly headSize: number;
  /** Places with cross-attention: the bottleneck and this number of upward scales, coarsest first (0 to 5). */
  readonly scales: number;
}
