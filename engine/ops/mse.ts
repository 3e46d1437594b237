/** Mean squared error. */
import { mseBackward, mseForward, msePartial } from '../../shaders/mse.js';
import { addNode, type Op, type Tensor } from '../graph/graph.js';
import { ceilDiv, f32Bits, linearGrid } from '../graph/kernel.js';
import { expectSame, sizeOf } from '../graph/shape.js';
import { vectorLaunch } from './launch/pointwise.js';
import { longRowLanes } from './launch/rows.js';

type Plain = Op<Record<string, never>>;

/** Elements that one workgroup adds up. */
const CHUNK = 4096;

/**
 * Inputs (a, b), output the sums over chunks. The gradient of every partial sum is the same number, so it travels as that
 * one number, `[1]`: nobody but `mseOp` reads the partial sums.
 */
const partialOp: Plain = {
  name: 'msePartial',
  shapes: ([a, b]) => {
    expectSame('mse', 'a and b must have one shape', a!.shape, b!.shape);
    return [[ceilDiv(sizeOf(a!.shape), CHUNK)]];
  },
  kernel: (node, tuning) => {
    const N = sizeOf(node.inputs[0]!.shape);
    const { WG, oneSubgroup } = longRowLanes(tuning);
    const workgroups = linearGrid(ceilDiv(N, CHUNK), 1);
    return { code: msePartial(oneSubgroup), constants: { WG, CHUNK: CHUNK / 4 }, dims: [N], workgroups, flops: 3 * N };
  },
  backward: (node, [dy], needed) => {
    const [a, b] = node.inputs as [Tensor, Tensor];
    const gradient = (of: Tensor, other: Tensor): Tensor => addNode(backwardOp, [of, other, dy!], {});
    return [needed[0] ? gradient(a, b) : undefined, needed[1] ? gradient(b, a) : undefined];
  },
};

/** Input the sums over chunks of `N` elements in all, output their sum over N. */
const mseOp: Op<{ readonly N: number }> = {
  name: 'mse',
  shapes: () => [[1]],
  kernel: ({ inputs: [partial], attrs: { N } }, tuning) => {
    const { WG, oneSubgroup } = longRowLanes(tuning);
    return { code: mseForward(oneSubgroup), constants: { WG }, dims: [partial!.shape[0]!, N], workgroups: [1, 1, 1] };
  },
  backward: (_, [dy]) => [dy],
};

/** Inputs (a, b, dy), output da. */
const backwardOp: Plain = {
  name: 'mseBackward',
  shapes: ([a]) => [a!.shape],
  kernel: (node, tuning) => {
    const N = sizeOf(node.inputs[0]!.shape);
    const { N4, ...launch } = vectorLaunch(N, tuning);
    return { code: mseBackward, dims: [N4, f32Bits(2 / N)], ...launch, flops: 3 * N };
  },
};

/**
 * The mean of (a - b)^2 over all elements, `[1]`; the same sum to the last bit in every run.
 * @throws ShapeError when a and b differ in shape
 */
export const mse = (a: Tensor, b: Tensor): Tensor => addNode(mseOp, [addNode(partialOp, [a, b], {})], { N: sizeOf(a.shape) });
