/** The length of all gradients of a model taken together. */
import { globalNormForward, globalNormPartial } from '../../shaders/globalNorm.js';
import { addNode, type Op, type Tensor } from '../graph/graph.js';
import { ceilDiv, linearGrid } from '../graph/kernel.js';
import { expectSame, sizeOf } from '../graph/shape.js';
import { longRowLanes } from './launch/rows.js';

type Plain = Op<Record<string, never>>;

/** Elements that one workgroup adds up. */
const CHUNK = 4096;

/** Inputs (x, roles), output the sums of squares over chunks. */
const partialOp: Plain = {
  name: 'globalNormPartial',
  shapes: ([x, roles]) => {
    expectSame('globalNorm', "roles must have x's shape", roles!.shape, x!.shape);
    return [[ceilDiv(sizeOf(x!.shape), CHUNK)]];
  },
  kernel: (node, tuning) => {
    const N = sizeOf(node.inputs[0]!.shape);
    const { WG, oneSubgroup } = longRowLanes(tuning);
    return { code: globalNormPartial(oneSubgroup), constants: { WG, CHUNK }, dims: [N], workgroups: linearGrid(ceilDiv(N, CHUNK), 1), flops: 2 * N };
  },
};

/** Input the sums over chunks, output the length. */
const globalNormOp: Plain = {
  name: 'globalNorm',
  shapes: () => [[1]],
  kernel: ({ inputs: [partial] }, tuning) => {
    const { WG, oneSubgroup } = longRowLanes(tuning);
    return { code: globalNormForward(oneSubgroup), constants: { WG }, dims: [partial!.shape[0]!], workgroups: [1, 1, 1] };
  },
};

/**
 * The Euclidean length of x `[N]`, `[1]`. Elements whose role is negative do not count: between parameters that share a flat buffer lie gaps whose
 * content is arbitrary. `roles` `[N]` as in `adamw`. Has no gradient.
 * @throws ShapeError when the shapes differ
 */
export const globalNorm = (x: Tensor, roles: Tensor): Tensor => addNode(globalNormOp, [addNode(partialOp, [x, roles], {})], {});
