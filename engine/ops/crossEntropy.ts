/** Cross entropy of logits against given distributions. */
import { crossEntropyBackward, crossEntropyForward } from '../../shaders/crossEntropy.js';
import { addNode, expectSame, UseError, type PlainOp, type Tensor } from '../graph/index.js';
import { rowKernel } from './launch/rows.js';

/** Inputs (x, q), outputs (y, lse). */
const crossEntropyOp: PlainOp = {
  name: 'crossEntropy',
  shapes: ([x, q]) => {
    expectSame('crossEntropy', 'logits and distributions must have one shape', x!.shape, q!.shape);
    const rows = x!.shape.slice(0, -1);
    return [rows, rows];
  },
  kernel: rowKernel(crossEntropyForward, 6),
  backward: ({ inputs: [x, q], outputs: [, lse] }, [dy], [, needsTargets]) => {
    if (needsTargets) throw new UseError('crossEntropy: no gradient for the distributions; they are targets');
    return [addNode(backwardOp, [x!, q!, lse!, dy!], {})];
  },
};

/** Inputs (x, q, lse, dy), output dx. */
const backwardOp: PlainOp = {
  name: 'crossEntropyBackward', shapes: ([x]) => [x!.shape], kernel: rowKernel(crossEntropyBackward, 5),
};

/**
 * -sum(q log softmax(x)) over the last axis: x and q `[..., N]` to `[...]`. q are targets: a distribution in every row, or a sum
 * of several, which gives the sum of their cross entropies; they have no gradient.
 * @throws ShapeError when the shapes differ
 */
export const crossEntropy = (x: Tensor, q: Tensor): Tensor => addNode(crossEntropyOp, [x, q], {});
