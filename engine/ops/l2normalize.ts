/** Rows scaled to length 1. */
import { l2normalizeBackward, l2normalizeForward } from '../../shaders/l2normalize.js';
import { addNode, type PlainOp, type Tensor } from '../graph/index.js';
import { rowKernel } from './launch/rows.js';

/** Input x, outputs (y, lengths). */
const l2normalizeOp: PlainOp = {
  name: 'l2normalize',
  shapes: ([x]) => [x!.shape, x!.shape.slice(0, -1)],
  kernel: rowKernel(l2normalizeForward, 3),
  backward: ({ outputs }, [dy]) => [addNode(backwardOp, [...outputs, dy!], {})],
};

/** Inputs (y, lengths, dy), output dx. */
const backwardOp: PlainOp = {
  name: 'l2normalizeBackward', shapes: ([y]) => [y!.shape], kernel: rowKernel(l2normalizeBackward, 5),
};

/**
 * x / max(|x|, 1e-12) along the last axis, as `F.normalize(x, dim=-1)`. x `[..., N]`. Of a linear layer's weights `[O, I]` it is
 * their weight norm (https://arxiv.org/abs/1602.07868) with all gains 1.
 */
export const l2normalize = (x: Tensor): Tensor => addNode(l2normalizeOp, [x], {});
