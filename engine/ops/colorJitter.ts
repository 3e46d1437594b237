/** Colour jitter with its draws given: brightness, contrast, saturation and hue in any order. */
import { colorJitterForward, colorJitterMean } from '../../shaders/colorJitter.js';
import { addNode, type Op, type Tensor } from '../graph/graph.js';
import { expectSame, ShapeError, showShape } from '../graph/shape.js';
import { threadLaunch } from './launch/pointwise.js';
import { sumLeading } from './sum.js';

type Jitter = Op<Record<string, never>>;
type ImageShape = readonly [B: number, C: number, H: number, W: number];

/** Workgroups that share the mean of one image. */
const PARTS = 64;

function imageShape(x: Tensor): ImageShape {
  if (x.shape.length !== 4 || x.shape[1] !== 3) throw new ShapeError(`colorJitter: x must be [B, 3, H, W], got ${showShape(x.shape)}`);
  return x.shape as unknown as ImageShape;
}

/** (x, draw) -> [PARTS, B]: shares of the mean grey that contrast refers to. */
const colorJitterMeanOp: Jitter = {
  name: 'colorJitterMean',
  shapes: ([x, draw]) => {
    const [B] = imageShape(x!);
    expectSame('colorJitter', 'draw holds on, four places of the order, four factors', draw!.shape, [9]);
    return [[PARTS, B]];
  },
  kernel: (node, { workgroupSize: WG }) => {
    const [B, , H, W] = imageShape(node.inputs[0]!);
    return { code: colorJitterMean, constants: { WG, PARTS }, dims: [B, H * W], workgroups: [PARTS, B, 1] };
  },
};

/** (x, draw, mean grey [B]) -> the adjusted images. */
const colorJitterOp: Jitter = {
  name: 'colorJitter',
  shapes: ([x]) => [x!.shape],
  kernel: (node, tuning) => {
    const [B, , H, W] = imageShape(node.inputs[0]!);
    return { code: colorJitterForward, dims: [B, H * W], ...threadLaunch(B * H * W, tuning) };
  },
};

/**
 * x [B, 3, H, W] in 0..1 adjusted as torchvision's `ColorJitter` does, once its random numbers are drawn. `draw` [9] holds: 1, or 0 to copy x;
 * the order, four numbers of adjustments (0 brightness, 1 contrast, 2 saturation, 3 hue); the factors of brightness, contrast and
 * saturation (1 changes nothing) and the turn of the hue (-0.5 to 0.5). Has no gradient.
 */
export function colorJitter(x: Tensor, draw: Tensor): Tensor {
  const meanGrey = sumLeading(addNode(colorJitterMeanOp, [x, draw], {}), [x.shape[0]!]);
  return addNode(colorJitterOp, [x, draw, meanGrey], {});
}
