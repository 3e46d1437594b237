/** Colour jitter whose random numbers are inputs: brightness, contrast, saturation and hue in any order. */
import { colorJitterForward, colorJitterMean } from '../../shaders/colorJitter.js';
import { addNode, expectSame, ShapeError, showShape, type PlainOp, type Shape4, type Tensor } from '../graph/index.js';
import { threadLaunch } from './launch/pointwise.js';
import { sumLeading } from './sum.js';

/** Workgroups that share the mean of one image. */
const PARTS = 64;

/** (x, draw) -> [PARTS, B]: parts of the mean grey that contrast refers to. */
const colorJitterMeanOp: PlainOp = {
  name: 'colorJitterMean',
  shapes: ([x, draw]) => {
    const { shape } = x!;
    const isImage = shape.length === 4 && shape[1] === 3;
    if (!isImage) throw new ShapeError(`colorJitter: x must be [B, 3, H, W], got ${showShape(shape)}`);
    expectSame('colorJitter', 'draw holds on, four places of the order, four factors', draw!.shape, [9]);
    return [[PARTS, shape[0]!]];
  },
  kernel: ({ inputs: [x] }, { workgroupSize: WG }) => {
    const [B, , H, W] = x!.shape as Shape4;
    return { code: colorJitterMean, constants: { WG, PARTS }, dims: [B, H * W], workgroups: [PARTS, B, 1] };
  },
};

/** (x, draw, mean grey [B]) -> the adjusted images. */
const colorJitterOp: PlainOp = {
  name: 'colorJitter',
  shapes: ([x]) => [x!.shape],
  kernel: ({ inputs: [x] }, tuning) => {
    const [B, , H, W] = x!.shape as Shape4;
    return { code: colorJitterForward, ...threadLaunch(B * H * W, tuning), dims: [B, H * W] };
  },
};

/**
 * x [B, 3, H, W] in 0..1 adjusted as torchvision's `ColorJitter` does, once its random numbers are drawn. `draw` [9] holds: 1, or
 * 0 to copy x; the order, four numbers of adjustments (0 brightness, 1 contrast, 2 saturation, 3 hue); the factors of brightness,
 * contrast and saturation (1 changes nothing) and the turn of the hue (-0.5 to 0.5). Has no gradient.
 * @throws ShapeError when x is not [B, 3, H, W] or draw not [9]
 */
export function colorJitter(x: Tensor, draw: Tensor): Tensor {
  const meanGrey = sumLeading(addNode(colorJitterMeanOp, [x, draw], {}), [x.shape[0]!]);
  return addNode(colorJitterOp, [x, draw, meanGrey], {});
}
