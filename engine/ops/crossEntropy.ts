/** Cross entropy of logits against given distributions. */
import { crossEntropyBackward, crossEntropyForward } from '../../shaders/crossEntropy.js';
import { addNode, type Op, type Tensor } from '../graph/graph.js';
import { linearGrid } from '../graph/kernel.js';
import { expectSame, sizeOf } from '../graph/shape.js';
import { shortRowLanes } from './launch/rows.js';

type Plain = Op<Record<string, never>>;

/** Launch with one workgroup per row of the first input; `flops` per element. */
const rowKernel = (code: (oneSubgroup: boolean) => string, flops: number): NonNullable<Plain['kernel']> => (node, tuning) => {
  const { shape } = node.inputs[0]!;
  const N = shape.at(-1) ?? 1;
  const ROWS = sizeOf(shape) / N;
  const { WG, oneSubgroup } = shortRowLanes(tuning);
  return { code: code(oneSubgroup), constants: { WG }, dims: [ROWS, N], workgroups: linearGrid(ROWS, 1), flops: flops * ROWS * N };
};

/** Inputs (x, q), outputs (y, lse). */
const crossEntropyOp: Plain = {
  name: 'crossEntropy',
  shapes: ([x, q]) => {
    expectSame('crossEntropy', 'logits and distributions must have one shape', x!.shape, q!.shape);
    const rows = x!.shape.slice(0, -1);
    return [rows, rows];
  },
  kernel: rowKernel(crossEntropyForward, 6),
  backward: (node, [dy], [, needsTargets]) => {
    if (needsTargets) throw new Error('crossEntropy: no gradient for the distributions; they are targets');
    const [x, q] = node.inputs as [Tensor, Tensor];
    return [addNode(backwardOp, [x, q, node.outputs[1]!, dy!], {})];
  },
};

/** Inputs (x, q, lse, dy), output dx. */
const backwardOp: Plain = { name: 'crossEntropyBackward', shapes: ([x]) => [x!.shape], kernel: rowKernel(crossEntropyBackward, 5) };

/**
 * -sum(q log softmax(x)) over the last axis: x and q `[..., N]` to `[...]`. q are targets: a distribution in every row, or a sum of several
 * (the cross entropies then are summed likewise); they have no gradient.
 * @throws ShapeError when the shapes differ
 */
export const crossEntropy = (x: Tensor, q: Tensor): Tensor => addNode(crossEntropyOp, [x, q], {});
