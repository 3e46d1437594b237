/** A generator for any pair: the refined UNet, which gets the appearance by cross-attention to the CLS tokens of its photo. */
import { slice, type Tensor } from '../../engine/index.js';
import { attentionParameters, crossAttention, encode, encoderParameters } from './crossAttention.js';
import type { Generator } from './parameters.js';
import type { ConditionalSizes } from './sizes.js';
import { unet } from './unet.js';

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
