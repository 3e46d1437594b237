/** The reproduction's generator (Splice-transfer): a UNet of double convolutions with reflect padding. */
import { batchnorm, concat, conv2d, sigmoid, upsample2x, type Tensor } from '../../engine/index.js';
import { convSpec, leaky, normSpec, SizeError, type Generator, type ParameterSpec } from './parameters.js';

type Five = readonly [number, number, number, number, number];

export interface UnetOptions {
  readonly down?: Five;
  readonly up?: Five;
  readonly skip?: number;
  readonly inputChannels?: number;
  /**
   * Reads (and may replace) the features [1, C, H, W] at a place: 0 is the bottleneck, i the output of the i-th upward block,
   * coarsest first. For generators built on this one.
   */
  readonly after?: (place: number, features: Tensor, p: (name: string) => Tensor) => Tensor;
}

const SMALLEST = 33;

const doubleSpec = (name: string, C: number, O: number): ParameterSpec[] => [
  ...convSpec(`${name}.double_conv.0`, O, C, 3, true), ...normSpec(`${name}.double_conv.1`, O),
  ...convSpec(`${name}.double_conv.3`, O, O, 3, true), ...normSpec(`${name}.double_conv.4`, O),
];

/**
 * The skip branch and the deeper branch at twice its size. The published code aligns the latter with F.pad, whose padding is
 * negative here, one row or column at most, and applies to the first: so the first row or column is dropped.
 */
function joinEnlarged(side: Tensor, deep: Tensor): Tensor {
  const [height, width] = side.shape.slice(2) as [number, number];
  const [top, left] = [2 * deep.shape[2]! - height, 2 * deep.shape[3]! - width];
  return concat([side, upsample2x(deep, { top, left, height, width })], 1);
}

/** The refined UNet under that repository's parameter names. */
export function unet({
  down = [16, 32, 64, 128, 128], up = down, skip = 4, inputChannels = 3, after = (_, features) => features,
}: UnetOptions = {}): Generator {
  const downName = (i: number): string => (i === 0 ? 'down1' : `down${i + 1}.conv`);
  const upIn = [up[4], up[4], up[3], up[2], up[1]];
  const upOut = [...up].reverse();
  const sideIn = [down[3], down[2], down[1], down[0], inputChannels];
  const parameters = [
    ...down.flatMap((O, i) => doubleSpec(downName(i), down[i - 1] ?? inputChannels, O)),
    ...upOut.flatMap((O, i) => [
      ...doubleSpec(`up${i}.conv`, upIn[i]! + skip, O),
      ...convSpec(`up${i}.conv1x1.0`, skip, sideIn[i]!, 1, true), ...normSpec(`up${i}.conv1x1.1`, skip),
    ]),
    ...convSpec('rgb.conv', 3, up[0], 1, false),
  ];

  const forward: Generator['forward'] = (p, image, activate = leaky) => {
    const layer = (conv: string, norm: string, x: Tensor, stride: 1 | 2 = 1): Tensor => {
      const y = conv2d(x, p(`${conv}.weight`), undefined, { stride, padding: 'reflect' });
      return activate(batchnorm(y, p(`${norm}.weight`), p(`${norm}.bias`)));
    };
    const double = (name: string, x: Tensor, stride: 1 | 2 = 1): Tensor =>
      layer(`${name}.double_conv.3`, `${name}.double_conv.4`, layer(`${name}.double_conv.0`, `${name}.double_conv.1`, x, stride));
    const features = [image];
    for (let i = 0; i < 5; i++) features.push(double(downName(i), features[i]!, 2));
    let y = after(0, features[5]!, p);
    for (let i = 0; i < 5; i++) {
      const side = layer(`up${i}.conv1x1.0`, `up${i}.conv1x1.1`, features[4 - i]!);
      y = after(i + 1, double(`up${i}.conv`, joinEnlarged(side, y)), p);
    }
    return sigmoid(conv2d(y, p('rgb.conv.weight'), p('rgb.conv.bias'), { padding: 'reflect' }));
  };

  return {
    parameters,
    forward,
    checkSize: (height, width) => {
      if (Math.min(height, width) >= SMALLEST) return;
      throw new SizeError(`the UNet needs both sides at least ${SMALLEST} pixels`, height, width);
    },
  };
}
