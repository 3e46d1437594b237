/** Sums over the leading axes. */
import { sumBackward, sumColumnsForward, sumForward } from '../../shaders/sum.js';
import {
  addNode, linearGrid, sameShape, ShapeError, showShape, sizeOf, type Op, type Shape, type Tensor,
} from '../graph/index.js';
import { spanLaunch } from './launch/pointwise.js';
import { longRowLanes, rowCode } from './launch/rows.js';

/** From this number of columns on a lane sums a column alone. */
const MANY_COLUMNS = 64;

const sumOp: Op<{ readonly shape: Shape }> = {
  name: 'sum',
  shapes: ([x], { shape }) => {
    if (sizeOf(shape) === 1 || sameShape(x!.shape.slice(x!.shape.length - shape.length), shape)) return [shape];
    throw new ShapeError(`sum: ${showShape(shape)} are not the trailing axes of ${showShape(x!.shape)}`);
  },
  kernel: ({ inputs: [x], attrs: { shape } }, tuning) => {
    const [N, COLS] = [sizeOf(x!.shape), sizeOf(shape)];
    const sizes = { dims: [N / COLS, COLS], flops: N };
    if (COLS >= MANY_COLUMNS) {
      const WG = tuning.workgroupSize;
      return { code: sumColumnsForward, constants: { WG }, workgroups: linearGrid(COLS, WG), ...sizes };
    }
    return { ...rowCode(sumForward, longRowLanes(tuning)), workgroups: [COLS, 1, 1], ...sizes };
  },
  backward: ({ inputs: [x] }, [dy]) => [addNode(sumBackwardOp, [dy!], { shape: x!.shape })],
};

const sumBackwardOp: Op<{ readonly shape: Shape }> = {
  name: 'sumBackward',
  shapes: (_, { shape }) => [shape],
  kernel: ({ inputs: [dy], attrs: { shape } }, tuning) =>
    ({ code: sumBackward, ...spanLaunch(sizeOf(shape), tuning, [sizeOf(dy!.shape)]) }),
  backward: ({ inputs: [dy] }, [dz]) => [sumLeading(dz!, dy!.shape)],
};

/** x summed over its leading axes down to `shape`, which is x's trailing axes. */
export const sumLeading = (x: Tensor, shape: Shape): Tensor => addNode(sumOp, [x], { shape });
/** The sum of all elements: `[1]`. */
export const sum = (x: Tensor): Tensor => sumLeading(x, [1]);
