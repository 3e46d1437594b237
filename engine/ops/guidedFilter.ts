/** The guided filter's gain: by how much a picture follows each colour of another one, locally. */
import { applyGainForward, guidedGainForward, guidedMoments, MOMENTS } from '../../shaders/guidedFilter.js';
import {
  addNode, expectSame, ShapeError, showShape, type Kernel, type Op, type PlainOp, type Shape, type Tensor, type Tuning,
} from '../graph/index.js';
import { boxFilter } from './boxFilter.js';
import { threadLaunch } from './launch/pointwise.js';

/** Another number of channels. */
const withChannels = ([B, , H, W]: Shape, C: number): Shape => [B!, C, H!, W!];

/** A thread per pixel. */
function pixelLaunch(code: string, [B, , H, W]: Shape, flops: number, tuning: Tuning): Kernel {
  const pixels = B! * H! * W!;
  return { code, ...threadLaunch(pixels, tuning, [H! * W!]), flops: flops * pixels };
}

/** (guide, x) -> [B, MOMENTS, H, W] */
const momentsOp: PlainOp = {
  name: 'guidedMoments',
  shapes: ([guide]) => [withChannels(guide!.shape, MOMENTS)],
  kernel: ({ inputs: [guide] }, tuning) => pixelLaunch(guidedMoments, guide!.shape, 15, tuning),
};

/** Means of the moments -> [B, 9, H, W] */
const gainOp: Op<{ readonly eps: number }> = {
  name: 'guidedGain',
  shapes: ([means]) => [withChannels(means!.shape, 9)],
  kernel: ({ inputs: [means], attrs: { eps } }, tuning) => {
    const { constants, ...rest } = pixelLaunch(guidedGainForward, means!.shape, 80, tuning);
    return { ...rest, constants: { ...constants, EPS: eps } };
  },
};

/** (gain, x) -> [B, 3, H, W] */
const applyOp: PlainOp = {
  name: 'applyGain',
  shapes: ([, x]) => [x!.shape],
  kernel: ({ inputs: [, x] }, tuning) => pixelLaunch(applyGainForward, x!.shape, 15, tuning),
};

function expectImage(who: string, what: string, { shape }: Tensor): void {
  if (shape.length !== 4 || shape[1] !== 3) throw new ShapeError(`${who}: ${what} must be [B, 3, H, W], got ${showShape(shape)}`);
}

/**
 * The linear part of the guided filter with a colour guide (He, Sun and Tang, ECCV 2010): in every window of
 * (2 radius + 1)^2 pixels the 3 x 3 matrix (cov(guide) + eps I)^-1 cov(guide, x), then the mean of the windows around a pixel.
 * guide and x [B, 3, H, W] give [B, 9, H, W], channel 3 i + c for the guide's colour i and x's colour c. `eps` has the unit of a
 * variance. Has no gradient.
 * @throws ShapeError when guide and x are not images of one size, or the radius is not below both sides
 */
export function guidedGain(guide: Tensor, x: Tensor, radius: number, eps: number): Tensor {
  expectImage('guidedGain', 'guide', guide);
  expectSame('guidedGain', 'guide and x differ', guide.shape, x.shape);
  const means = boxFilter(addNode(momentsOp, [guide, x], {}), radius);
  return boxFilter(addNode(gainOp, [means], { eps }), radius);
}

/**
 * Every pixel of x [B, 3, H, W] through its own matrix, gain [B, 9, H, W] as `guidedGain` makes it. Has no gradient.
 * @throws ShapeError when the shapes differ from these
 */
export function applyGain(gain: Tensor, x: Tensor): Tensor {
  expectImage('applyGain', 'x', x);
  expectSame('applyGain', 'gain must have nine values a pixel', gain.shape, withChannels(x.shape, 9));
  return addNode(applyOp, [gain, x], {});
}
