/** Overlapping patches of an image as rows of a matrix. */
import { unfoldForward } from '../../shaders/unfold.js';
import { addNode, ShapeError, showShape, type Op, type Shape4, type Tensor } from '../graph/index.js';
import { threadLaunch } from './launch/pointwise.js';

/** Numbers of a row: those of a patch, then zeros up to a multiple of four, so that products read vectors. */
export const unfoldedWidth = (C: number, patch: number): number => 4 * Math.ceil((C * patch * patch) / 4);

const unfoldOp: Op<{ readonly patch: number; readonly stride: number }> = {
  name: 'unfold',
  shapes: ([x], { patch, stride }) => {
    const [B, C, H, W] = x!.shape as Shape4;
    if (x!.shape.length !== 4 || B !== 1 || H < patch || W < patch) {
      throw new ShapeError(`unfold: x must be [1, C, H, W] with sides of at least ${patch}, got ${showShape(x!.shape)}`);
    }
    const [rows, columns] = [H, W].map((side) => Math.floor((side - patch) / stride) + 1) as [number, number];
    return [[rows * columns, unfoldedWidth(C, patch)]];
  },
  kernel: ({ inputs: [x], outputs: [y], attrs: { patch: P, stride: STRIDE } }, tuning) => {
    const [, C, H, W] = x!.shape as Shape4;
    const [M, WIDTH] = y!.shape as [number, number];
    const { constants, ...rest } = threadLaunch(M * WIDTH, tuning, [H, W, Math.floor((W - P) / STRIDE) + 1]);
    return { code: unfoldForward, constants: { ...constants, C, P, STRIDE, WIDTH }, ...rest };
  },
};

/**
 * The patches of x [1, C, H, W] whose corners are `stride` pixels apart, row by row, as `F.unfold` but a patch a row:
 * [patches, C * patch^2, filled with zeros up to a multiple of four]. Has no gradient. @throws ShapeError when no patch fits
 */
export const unfold = (x: Tensor, patch: number, stride: number): Tensor => addNode(unfoldOp, [x], { patch, stride });
