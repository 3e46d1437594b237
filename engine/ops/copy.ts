/** Copies: the same values in memory of their own. */
import { copyForward } from '../../shaders/copy.js';
import { addNode, type Node, type Op, type Tensor } from '../graph/graph.js';
import { sizeOf } from '../graph/shape.js';
import { vectorLaunch } from './launch/pointwise.js';

const copyOp: Op<Record<string, never>> = {
  name: 'copy',
  shapes: ([x]) => [x!.shape],
  kernel: (node, tuning) => {
    const { N4, ...launch } = vectorLaunch(sizeOf(node.outputs[0]!.shape), tuning);
    return { code: copyForward, dims: [N4], ...launch };
  },
  backward: (_, [dy]) => [dy],
};

/** The same values in a buffer of their own. */
export const copy = (x: Tensor): Tensor => addNode(copyOp, [x], {});

/** A copy of `x` as a node outside the graph, for the planner to slip in. */
export function copyNode(x: Tensor): Node {
  const outputs: Tensor[] = [];
  const node: Node = { graph: x.graph, id: x.node.id, op: copyOp, attrs: {}, inputs: [x], outputs };
  outputs.push({ graph: x.graph, node, index: 0, shape: x.shape, dtype: x.dtype });
  return node;
}
