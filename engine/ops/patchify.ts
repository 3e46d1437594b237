/** Images as rows of patches, and the patch embedding made of them. */
import { patchifyBackward, patchifyForward } from '../../shaders/patchify.js';
import {
  addNode, expectRank, ShapeError, showShape, sizeOf, type Kernel, type Op, type Shape, type Shape4, type Tensor, type Tuning,
} from '../graph/index.js';
import { spanLaunch } from './launch/pointwise.js';
import { linear } from './linear.js';
import { reshape } from './view.js';

/** The launch over `N` elements for images [B, C, H, W]. */
function launch(code: string, N: number, [, C, H, W]: Shape, P: number, tuning: Tuning): Kernel {
  const { constants, ...rest } = spanLaunch(N, tuning, [H!, W!, Math.floor(H! / P), Math.floor(W! / P)]);
  return { code, constants: { ...constants, C: C!, P }, ...rest };
}

const patchifyOp: Op<{ readonly patch: number }> = {
  name: 'patchify',
  shapes: ([x], { patch: P }) => {
    expectRank('patchify', 'x', x!.shape, 4);
    const [B, C, H, W] = x!.shape as Shape4;
    if (H < P || W < P) throw new ShapeError(`patchify: patches of ${P} do not fit into ${showShape(x!.shape)}`);
    return [[B, Math.floor(H / P) * Math.floor(W / P), C * P * P]];
  },
  kernel: ({ inputs: [x], outputs: [y], attrs: { patch } }, tuning) =>
    launch(patchifyForward, sizeOf(y!.shape), x!.shape, patch, tuning),
  backward: ({ inputs: [x], attrs: { patch } }, [dy]) => [addNode(patchifyBackwardOp, [dy!], { patch, shape: x!.shape })],
};

const patchifyBackwardOp: Op<{ readonly patch: number; readonly shape: Shape }> = {
  name: 'patchifyBackward',
  shapes: (_, { shape }) => [shape],
  kernel: ({ attrs: { patch, shape } }, tuning) => launch(patchifyBackward, sizeOf(shape), shape, patch, tuning),
};

/**
 * x [B, C, H, W] as patches [B, floor(H/P) * floor(W/P), C*P*P], each in the order of a flattened convolution weight;
 * partial patches at the right and bottom are dropped. @throws ShapeError when no patch fits
 */
export const patchify = (x: Tensor, patch: number): Tensor => addNode(patchifyOp, [x], { patch });

/**
 * The convolution of stride P with weights w [D, C, P, P] and bias b [D] that turns an image into tokens: [B, patches, D].
 * @throws ShapeError when the weights do not fit the image
 */
export function patchEmbed(x: Tensor, w: Tensor, b?: Tensor): Tensor {
  const [D, C, P, PW] = w.shape as Shape4;
  if (x.shape[1] !== C || P !== PW) {
    throw new ShapeError(`patchEmbed: weights ${showShape(w.shape)} do not fit an image ${showShape(x.shape)}`);
  }
  return linear(patchify(x, P), reshape(w, [D, C * P * P]), b);
}
