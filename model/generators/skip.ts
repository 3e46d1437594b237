/** The paper's generator (omerbt/Splice): each scale concatenates a 1x1 skip branch with the upsampled deeper branch. */
import { batchnorm, concat, conv2d, sigmoid, upsample2x, type Tensor } from '../../engine/index.js';
import { convSpec, leaky, normSpec, SizeError, type Generator } from './parameters.js';

export interface SkipOptions {
  /** Channels of each scale on the way down and up, outermost first. */
  readonly down?: readonly number[];
  readonly up?: readonly number[];
  /** Channels of the skip branches. */
  readonly skip?: number;
  /** Window of each scale's convolutions. */
  readonly windows?: readonly number[];
  readonly padding?: 'zeros' | 'reflect';
  readonly inputChannels?: number;
}

/**
 * The skip branch and the deeper branch at twice its size, concatenated along the channels. The published code crops both
 * centrally to the smaller; the enlarged one is never smaller and at most one larger, so its last row or column is dropped.
 */
function joinEnlarged(side: Tensor, deep: Tensor): Tensor {
  const [height, width] = [side.shape[2]!, side.shape[3]!];
  return concat([side, upsample2x(deep, { top: 0, left: 0, height, width })], 1);
}

/** The skip network, by default of five scales and 3x3 windows. Parameters are named `scale.N.part`. */
export function skipNetwork({
  down = [16, 32, 64, 128, 128], up = down, skip = 4, windows = down.map(() => 3), padding = 'zeros', inputChannels = 3,
}: SkipOptions = {}): Generator {
  const depth = down.length;
  const parameters = down.flatMap((channels, i) => {
    const [s, k, above] = [`scale.${i}`, windows[i]!, down[i - 1] ?? inputChannels];
    const merged = skip + (i + 1 < depth ? up[i + 1]! : channels);
    return [
      ...convSpec(`${s}.skip.conv`, skip, above, 1, true), ...normSpec(`${s}.skip.bn`, skip),
      ...convSpec(`${s}.down1.conv`, channels, above, k, true), ...normSpec(`${s}.down1.bn`, channels),
      ...convSpec(`${s}.down2.conv`, channels, channels, k, true), ...normSpec(`${s}.down2.bn`, channels),
      ...normSpec(`${s}.merge.bn`, merged),
      ...convSpec(`${s}.up1.conv`, up[i]!, merged, k, true), ...normSpec(`${s}.up1.bn`, up[i]!),
      ...convSpec(`${s}.up2.conv`, up[i]!, up[i]!, 1, true), ...normSpec(`${s}.up2.bn`, up[i]!),
    ];
  });

  const forward: Generator['forward'] = (p, image, activate = leaky) => {
    const norm = (name: string, x: Tensor): Tensor => batchnorm(x, p(`${name}.weight`), p(`${name}.bias`));
    const layer = (name: string, x: Tensor, stride: 1 | 2 = 1): Tensor =>
      activate(norm(`${name}.bn`, conv2d(x, p(`${name}.conv.weight`), undefined, { stride, padding })));
    const level = (i: number, x: Tensor): Tensor => {
      const s = `scale.${i}`;
      const side = layer(`${s}.skip`, x);
      const deep = layer(`${s}.down2`, layer(`${s}.down1`, x, 2));
      const merged = joinEnlarged(side, i + 1 < depth ? level(i + 1, deep) : deep);
      return layer(`${s}.up2`, layer(`${s}.up1`, norm(`${s}.merge.bn`, merged)));
    };
    return sigmoid(conv2d(level(0, image), p('rgb.conv.weight'), p('rgb.conv.bias'), { padding }));
  };

  const smallest = 2 ** depth;
  return {
    parameters: [...parameters, ...convSpec('rgb.conv', 3, up[0]!, 1, false)],
    forward,
    checkSize: (height, width) => {
      if (Math.max(height, width) > smallest) return;
      throw new SizeError(`the skip network needs one side above ${smallest} pixels`, height, width);
    },
  };
}
