/** A Gaussian blur of 3 x 3 pixels whose random numbers are inputs. */
import { blurForward } from '../../shaders/blur.js';
import { addNode, expectSame, ShapeError, showShape, sizeOf, type PlainOp, type Tensor } from '../graph/index.js';
import { threadLaunch } from './launch/pointwise.js';

const blurOp: PlainOp = {
  name: 'blur',
  shapes: ([x, draw]) => {
    const { shape } = x!;
    if (shape.length !== 4 || shape[2]! < 2 || shape[3]! < 2) {
      throw new ShapeError(`blur: x must be [B, C, H, W] with sides of at least 2, got ${showShape(shape)}`);
    }
    expectSame('blur', 'draw holds on and sigma', draw!.shape, [2]);
    return [shape];
  },
  kernel: ({ inputs: [x] }, tuning) => {
    const N = sizeOf(x!.shape);
    return { code: blurForward, ...threadLaunch(N, tuning, x!.shape.slice(2)), flops: 24 * N };
  },
};

/**
 * x [B, C, H, W] through a 3 x 3 Gaussian, mirrored at the edges, as torchvision's `gaussian_blur` with kernel size 3. `draw` [2]
 * holds 1, or 0 to copy x, and sigma in pixels (above 0). Has no gradient.
 * @throws ShapeError when x does not have four axes, a side is below 2, or draw is not [2]
 */
export const blur = (x: Tensor, draw: Tensor): Tensor => addNode(blurOp, [x, draw], {});
