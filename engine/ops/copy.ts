/** Copies: the same values in memory of their own. */
import { copyForward } from '../../shaders/copy.js';
import { addNode, sizeOf, type Node, type PlainOp, type Tensor } from '../graph/index.js';
import { vectorLaunch } from './launch/pointwise.js';

const copyOp: PlainOp = {
  name: 'copy',
  shapes: ([x]) => [x!.shape],
  kernel: ({ inputs: [x] }, tuning) => ({ code: copyForward, ...vectorLaunch(sizeOf(x!.shape), tuning) }),
  backward: (_, [dy]) => [dy],
};

/** The same values in a buffer of their own. */
export const copy = (x: Tensor): Tensor => addNode(copyOp, [x], {});

/** A copy of `x` as a node outside the graph, for the planner to insert. */
export function copyNode(x: Tensor): Node {
  const outputs: Tensor[] = [];
  const node: Node = { graph: x.graph, id: x.node.id, op: copyOp, attrs: {}, inputs: [x], outputs };
  outputs.push({ ...x, node, index: 0 });
  return node;
}
