/** The length of all gradients of a model taken together. */
import { globalNormForward, globalNormPartial } from '../../shaders/globalNorm.js';
import { addNode, ceilDiv, expectSame, linearGrid, sizeOf, type PlainOp, type Tensor } from '../graph/index.js';
import { longRowLanes, rowCode } from './launch/rows.js';

/** Elements that one workgroup adds up. */
const CHUNK = 4096;

/** Inputs (x, roles), output the sums of squares over chunks. */
const partialOp: PlainOp = {
  name: 'globalNormPartial',
  shapes: ([x, roles]) => {
    expectSame('globalNorm', "roles must have x's shape", roles!.shape, x!.shape);
    return [[ceilDiv(sizeOf(x!.shape), CHUNK)]];
  },
  kernel: ({ inputs: [x] }, tuning) => {
    const N = sizeOf(x!.shape);
    const code = rowCode(globalNormPartial, longRowLanes(tuning), { CHUNK });
    return { ...code, dims: [N], workgroups: linearGrid(ceilDiv(N, CHUNK), 1), flops: 2 * N };
  },
};

/** Input the sums over chunks, output the length. */
const globalNormOp: PlainOp = {
  name: 'globalNorm',
  shapes: () => [[1]],
  kernel: ({ inputs: [partial] }, tuning) =>
    ({ ...rowCode(globalNormForward, longRowLanes(tuning)), dims: partial!.shape, workgroups: [1, 1, 1] }),
};

/**
 * The Euclidean length of x `[N]`, `[1]`. Elements whose role is negative do not count: they are gaps of arbitrary content
 * between parameters that share a flat buffer. `roles` `[N]` as in `adamw`. Has no gradient.
 * @throws ShapeError when the shapes differ
 */
export const globalNorm = (x: Tensor, roles: Tensor): Tensor => addNode(globalNormOp, [addNode(partialOp, [x, roles], {})], {});
