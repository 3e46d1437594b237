/** The largest element of each row. */
import { rowMaxBackward, rowMaxForward } from '../../shaders/rowMax.js';
import { addNode, sizeOf, type Op, type PlainOp, type Shape, type Tensor } from '../graph/index.js';
import { threadLaunch } from './launch/pointwise.js';
import { rowKernel } from './launch/rows.js';

/** Input x, outputs (y, positions). */
const rowMaxOp: PlainOp = {
  name: 'rowMax',
  shapes: ([x]) => [x!.shape.slice(0, -1), x!.shape.slice(0, -1)],
  kernel: rowKernel(rowMaxForward, 2),
  backward: ({ inputs: [x], outputs: [, at] }, [dy]) => [addNode(backwardOp, [at!, dy!], { shape: x!.shape })],
};

/** Inputs (positions, dy), output dx. */
const backwardOp: Op<{ readonly shape: Shape }> = {
  name: 'rowMaxBackward',
  shapes: (_, { shape }) => [shape],
  kernel: ({ attrs: { shape } }, tuning) =>
    ({ code: rowMaxBackward, ...threadLaunch(sizeOf(shape), tuning, [shape.at(-1)!]), flops: sizeOf(shape) }),
};

/** The largest element along the last axis: x `[..., N]` gives `[...]`. The gradient goes to the first of equal ones. */
export const rowMax = (x: Tensor): Tensor => addNode(rowMaxOp, [x], {});
