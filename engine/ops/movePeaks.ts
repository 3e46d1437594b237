/** The largest element of some columns moved to the last row. */
import { movePeaksBackward, movePeaksForward } from '../../shaders/movePeaks.js';
import {
  addNode, expectRank, ShapeError, showShape, sizeOf, type Op, type PlainOp, type Shape3, type Tensor,
} from '../graph/index.js';
import { spanLaunch } from './launch/pointwise.js';

const launch = (code: string): NonNullable<Op['kernel']> => ({ inputs: [x] }, tuning) => {
  const [, T, C] = x!.shape as Shape3;
  const { constants, ...rest } = spanLaunch(sizeOf(x!.shape), tuning, [T]);
  return { code, constants: { ...constants, C }, ...rest };
};

/** Inputs (x, moved). */
const movePeaksOp: PlainOp = {
  name: 'movePeaks',
  shapes: ([x, moved]) => {
    expectRank('movePeaks', 'x', x!.shape, 3);
    const [, , C] = x!.shape as Shape3;
    if (showShape(moved!.shape) === showShape([C])) return [x!.shape];
    throw new ShapeError(`movePeaks: x is ${showShape(x!.shape)}, moved must be [${C}], got ${showShape(moved!.shape)}`);
  },
  kernel: launch(movePeaksForward),
  backward: ({ inputs: [x, moved] }, [dy]) => [addNode(backwardOp, [x!, moved!, dy!], {}), undefined],
};

/** Inputs (x, moved, dy), output dx. */
const backwardOp: PlainOp = { name: 'movePeaksBackward', shapes: ([x]) => [x!.shape], kernel: launch(movePeaksBackward) };

/**
 * x `[B, T, C]` with the largest of the T elements of some columns in the last row, and zeros in their other rows. `moved` `[C]`
 * is 1 for these columns and 0 for the others, which stay as they are. The gradient is that of x alone. With activations of an
 * MLP it makes the last token a register (https://arxiv.org/abs/2506.08010). @throws ShapeError for other shapes
 */
export const movePeaks = (x: Tensor, moved: Tensor): Tensor => addNode(movePeaksOp, [x, moved], {});
