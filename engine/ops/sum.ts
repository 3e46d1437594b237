/** Sums over the leading axes. */
import { sumBackward, sumColumnsForward, sumForward } from '../../shaders/sum.js';
import { addNode, type Op, type Tensor } from '../graph/graph.js';
import { linearGrid } from '../graph/kernel.js';
import { sameShape, ShapeError, showShape, sizeOf, type Shape } from '../graph/shape.js';
import { scale } from './binary.js';
import { spanLaunch } from './launch/pointwise.js';
import { longRowLanes } from './launch/rows.js';

/** From so many columns on a lane takes a column for itself. */
const MANY_COLUMNS = 64;

const sumOp: Op<{ readonly shape: Shape }> = {
  name: 'sum',
  shapes: ([x], { shape }) => {
    if (sizeOf(shape) !== 1 && !sameShape(x!.shape.slice(x!.shape.length - shape.length), shape)) {
      throw new ShapeError(`sum: ${showShape(shape)} are not the trailing axes of ${showShape(x!.shape)}`);
    }
    return [shape];
  },
  kernel: (node, tuning) => {
    const N = sizeOf(node.inputs[0]!.shape);
    const COLS = sizeOf(node.attrs.shape);
    if (COLS >= MANY_COLUMNS) {
      const WG = tuning.workgroupSize;
      return { code: sumColumnsForward, constants: { WG }, dims: [N / COLS, COLS], workgroups: linearGrid(COLS, WG), flops: N };
    }
    const { WG, oneSubgroup } = longRowLanes(tuning);
    return { code: sumForward(oneSubgroup), constants: { WG }, dims: [N / COLS, COLS], workgroups: [COLS, 1, 1], flops: N };
  },
  backward: (node, [dy]) => [addNode(sumBackwardOp, [dy!], { shape: node.inputs[0]!.shape })],
};

const sumBackwardOp: Op<{ readonly shape: Shape }> = {
  name: 'sumBackward',
  shapes: (_, { shape }) => [shape],
  kernel: (node, tuning) => {
    const N = sizeOf(node.attrs.shape);
    return { code: sumBackward, dims: [N, sizeOf(node.inputs[0]!.shape)], ...spanLaunch(N, tuning) };
  },
  backward: (node, [dy]) => [sumLeading(dy!, node.inputs[0]!.shape)],
};

/** x summed over its leading axes down to `shape`, which is x's trailing axes. */
export const sumLeading = (x: Tensor, shape: Shape): Tensor => addNode(sumOp, [x], { shape });
/** The sum of all elements: `[1]`. */
export const sum = (x: Tensor): Tensor => sumLeading(x, [1]);
/** The mean of all elements: `[1]`. */
export const mean = (x: Tensor): Tensor => scale(sum(x), 1 / sizeOf(x.shape));
