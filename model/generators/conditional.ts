/** A generator for any pair: the refined UNet, which gets the appearance by cross-attention to the CLS tokens of its photo. */
import { slice, type Tensor } from '../../engine/index.js';
import { attentionParameters, crossAttention, encode, encoderParameters } from './crossAttention.js';
import type { Generator } from './parameters.js';
import { unet, type UnetOptions } from './unet.js';

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
  /** How many tokens `expanded` makes of the last CLS token. */
  readonly expanded: number;
  /** Width of the encoder's tokens. */
  readonly width: number;
  readonly heads: number;
  readonly headSize: number;
  /** Places with cross-attention: the bottleneck and this number of upward scales, coarsest first (0 to 5). */
  readonly scales: number;
}

/** Name of the condition in the engine: CLS tokens [layers, dim], normalised (model/anyPair/condition.ts). */
export const CONDITION = 'condition';

/**
 * A generator like the others, whose pictures also depend on the engine's parameter `condition` [layers, dim]. With its initial
 * weights it is bit-identical to the plain UNet: every attention's output matrix starts as zeros.
 */
export function conditionalUnet(sizes: ConditionalSizes): Generator {
  const { layers, dim, channels, scales } = sizes;
  /** Channels at place 0, the bottleneck, and after each upward block. */
  const places = [channels[4], ...[...channels].reverse()].slice(0, scales + 1);
  const plain = unet({ down: channels });

  const forward: Generator['forward'] = (p, x, activate) => {
    const all = x.graph.parameter(CONDITION, [layers, dim]);
    const tokens = encode(p, sizes.tokens === 'layers' ? all : slice(all, 0, layers - 1, layers), sizes);
    const after = (place: number, features: Tensor): Tensor =>
      place <= scales ? crossAttention(p, `attend.${place}`, features, tokens, sizes) : features;
    return unet({ down: channels, after }).forward(p, x, activate);
  };
  return {
    parameters: [
      ...plain.parameters,
      ...encoderParameters(sizes),
      ...places.flatMap((C, place) => attentionParameters(`attend.${place}`, C, sizes)),
    ],
    forward,
    checkSize: plain.checkSize,
  };
}
