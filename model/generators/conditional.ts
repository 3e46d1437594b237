/** A generator for any pair: the refined UNet, told the appearance by cross-attention to the CLS tokens of its photo. */
import { slice, type Tensor } from '../../engine/index.js';
import { attentionParameters, crossAttention, encode, encoderParameters, type EncoderSizes, type TokenMode } from './crossAttention.js';
import type { Generator } from './parameters.js';
import { unet } from './unet.js';

/** Everything that decides the shapes of a conditional generator's parameters; kept in its file. */
export interface ConditionalSizes {
  /** Layers and width of the ViT whose CLS tokens it takes. */
  readonly layers: number;
  readonly dim: number;
  /** Channels of the UNet's scales, outermost first. */
  readonly channels: readonly [number, number, number, number, number];
  readonly tokens: TokenMode;
  /** How many tokens `expanded` makes of the last CLS token. */
  readonly expanded: number;
  /** Width of the encoder's tokens. */
  readonly width: number;
  readonly heads: number;
  readonly headSize: number;
  /** Places with cross-attention: the bottleneck and so many upward scales, coarsest first (0 to 5). */
  readonly scales: number;
}

export const defaultSizes: Omit<ConditionalSizes, 'layers' | 'dim'> = {
  channels: [16, 32, 64, 128, 128], tokens: 'layers', expanded: 12, width: 128, heads: 4, headSize: 16, scales: 5,
};

/** Where the condition lives in the engine: CLS tokens [layers, dim], normalised (model/anyPair/condition.ts). */
export const CONDITION = 'condition';

/**
 * A generator like the others, whose pictures also depend on the engine's parameter `condition` [layers, dim]. With its initial
 * weights it is the plain UNet to the last bit: every attention's output matrix starts as zeros.
 */
export function conditionalUnet(sizes: ConditionalSizes): Generator {
  const { layers, dim, channels, width, heads, headSize, scales } = sizes;
  const encoder: EncoderSizes = { mode: sizes.tokens, layers, dim, width, expanded: sizes.expanded };
  /** Channels at place 0, the bottleneck, and after each upward block. */
  const at = [channels[4], channels[4], channels[3], channels[2], channels[1], channels[0]];
  const places = at.slice(0, scales + 1);
  const plain = unet({ down: channels });

  const forward: Generator['forward'] = (p, x, activate) => {
    const cls = conditionOf(x, sizes);
    const tokens = encode(p, cls, encoder);
    const after = (place: number, features: Tensor): Tensor =>
      place <= scales ? crossAttention(p, `attend.${place}`, features, tokens, { heads, headSize }) : features;
    return unet({ down: channels, after }).forward(p, x, activate);
  };
  return {
    parameters: [
      ...plain.parameters,
      ...encoderParameters(encoder),
      ...places.flatMap((C, place) => attentionParameters(`attend.${place}`, { channels: C, tokens: width, heads, headSize })),
    ],
    forward,
    checkSize: plain.checkSize,
  };
}

/** The CLS tokens the encoder reads: of all layers, or of the last alone. */
function conditionOf(x: Tensor, { layers, dim, tokens }: ConditionalSizes): Tensor {
  const all = x.graph.parameter(CONDITION, [layers, dim]);
  return tokens === 'layers' ? all : slice(all, 0, layers - 1, layers);
}
