/** Rows in ascending order. */
import { sortBackward, sortBlocks, sortForward, sortMerge } from '../../shaders/sort.js';
import { addNode, sizeOf, type Op, type PlainOp, type Tensor } from '../graph/index.js';
import { threadLaunch } from './launch/pointwise.js';

/** Elements that are ordered by counting, before runs are merged. */
const BLOCK = 32;

/** Input x, output the order [.., N] within blocks. */
const blocksOp: PlainOp = {
  name: 'sortBlocks',
  shapes: ([x]) => [x!.shape],
  kernel: ({ inputs: [x] }, tuning) => {
    const { constants, ...launch } = threadLaunch(sizeOf(x!.shape), tuning, [x!.shape.at(-1) ?? 1]);
    return { code: sortBlocks, constants: { ...constants, BLOCK }, ...launch, flops: BLOCK * sizeOf(x!.shape) };
  },
};

/** Inputs (x, order within runs), output the order within runs of twice the length. */
const mergeOp: Op<{ readonly run: number }> = {
  name: 'sortMerge',
  shapes: ([x]) => [x!.shape],
  kernel: ({ inputs: [x], attrs: { run } }, tuning) =>
    ({ code: sortMerge, ...threadLaunch(sizeOf(x!.shape), tuning, [x!.shape.at(-1) ?? 1, run]) }),
};

/** Moves the elements of rows. */
const moving = (code: string): NonNullable<Op['kernel']> => ({ inputs: [x] }, tuning) =>
  ({ code, ...threadLaunch(sizeOf(x!.shape), tuning, [x!.shape.at(-1) ?? 1]) });

/** Inputs (x, order). */
const sortOp: PlainOp = {
  name: 'sort',
  shapes: ([x]) => [x!.shape],
  kernel: moving(sortForward),
  backward: ({ inputs: [, order] }, [dy]) => [addNode(backwardOp, [order!, dy!], {}), undefined],
};

/** Inputs (order, dy). */
const backwardOp: PlainOp = { name: 'sortBackward', shapes: ([order]) => [order!.shape], kernel: moving(sortBackward) };

/** x `[.., N]` in ascending order along the last axis, in 2 + log2(N / 32) launches. What holds NaN gets any order. */
export function sort(x: Tensor): Tensor {
  let order = addNode(blocksOp, [x], {});
  for (let run = BLOCK; run < (x.shape.at(-1) ?? 1); run *= 2) order = addNode(mergeOp, [x, order], { run });
  return addNode(sortOp, [x, order], {});
}
