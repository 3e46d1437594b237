/** Mean squared error. */
import { mseBackward, mseForward, msePartial } from '../../shaders/mse.js';
import { addNode, ceilDiv, expectSame, f32Bits, linearGrid, sizeOf, type Op, type PlainOp, type Tensor } from '../graph/index.js';
import { vectorLaunch } from './launch/pointwise.js';
import { longRowLanes, rowCode } from './launch/rows.js';

/** Elements that one workgroup adds up. */
const CHUNK = 4096;

/**
 * Inputs (a, b), output the sums over chunks. All sums have the same gradient, so their gradient is that one number, `[1]`: only
 * `mseOp` reads them.
 */
const partialOp: PlainOp = {
  name: 'msePartial',
  shapes: ([a, b]) => {
    expectSame('mse', 'a and b must have one shape', a!.shape, b!.shape);
    return [[ceilDiv(sizeOf(a!.shape), CHUNK)]];
  },
  kernel: ({ inputs: [a] }, tuning) => {
    const N = sizeOf(a!.shape);
    const code = rowCode(msePartial, longRowLanes(tuning), { CHUNK: CHUNK / 4 });
    return { ...code, dims: [N], workgroups: linearGrid(ceilDiv(N, CHUNK), 1), flops: 3 * N };
  },
  backward: ({ inputs: [a, b] }, [dy], needed) => [
    needed[0] ? addNode(backwardOp, [a!, b!, dy!], {}) : undefined,
    needed[1] ? addNode(backwardOp, [b!, a!, dy!], {}) : undefined,
  ],
};

/** Input the sums over chunks of `N` elements in all, output their sum over N. */
const mseOp: Op<{ readonly N: number }> = {
  name: 'mse',
  shapes: () => [[1]],
  kernel: ({ inputs: [partial], attrs: { N } }, tuning) =>
    ({ ...rowCode(mseForward, longRowLanes(tuning)), dims: [partial!.shape[0]!, N], workgroups: [1, 1, 1] }),
  backward: (_, [dy]) => [dy],
};

/** Inputs (a, b, dy), output da. */
const backwardOp: PlainOp = {
  name: 'mseBackward',
  shapes: ([a]) => [a!.shape],
  kernel: ({ inputs: [a] }, tuning) => {
    const N = sizeOf(a!.shape);
    return { code: mseBackward, ...vectorLaunch(N, tuning, [f32Bits(2 / N)]), flops: 3 * N };
  },
};

/**
 * The mean of (a - b)^2 over all elements, `[1]`; bit-identical in every run.
 * @throws ShapeError when a and b differ in shape
 */
export const mse = (a: Tensor, b: Tensor): Tensor => addNode(mseOp, [addNode(partialOp, [a, b], {})], { N: sizeOf(a.shape) });
