/** Reverse-mode differentiation: visits nodes from last to first and appends the backward nodes to the same graph. */
import { getOrInsert, labelOf, sameShape, showShape, sizeOf, UseError, type Node, type Tensor } from '../graph/index.js';
import { add } from '../ops/binary.js';

/** Suffix of a part's name for the part's gradient. */
const BACKWARD = ' backward';

/** Nodes on a path from some tensor of `wrt`; only these need gradients. */
function dependents(nodes: readonly Node[], wrt: readonly Tensor[]): Set<Node> {
  const reached = new Set<Node>(wrt.map((t) => t.node));
  for (const node of nodes) if (node.inputs.some((t) => reached.has(t.node))) reached.add(node);
  return reached;
}

/** Returns a node as its gradient reads it: forgotten tensors are computed again, once, right before they are first needed. */
function recomputing(): (node: Node) => Node {
  const copies = new Map<Node, Node>();
  const inputsOf = (node: Node): readonly Tensor[] => node.inputs.map((t) => copyOf(t.node)?.outputs[t.index] ?? t);
  const copyOf = (node: Node): Node | undefined => {
    if (node.recompute !== 'forget') return undefined;
    return getOrInsert(copies, node, () => node.graph.again(node, inputsOf(node)));
  };
  const readsForgotten = ({ inputs }: Node): boolean => inputs.some((t) => t.node.recompute === 'forget');
  return (node) => copyOf(node) ?? (readsForgotten(node) ? { ...node, inputs: inputsOf(node) } : node);
}

/**
 * Gradients of the scalar `y` with respect to each tensor of `wrt`, in their order and of their shapes. With `dy`, a tensor
 * of y's shape: gradients of sum(y dy), where y may have any shape (PyTorch's grad_outputs). Tensors that `Graph.recomputed`
 * does not keep are computed again.
 * @throws UseError when `y` is not a scalar and has no `dy`, when `dy` has another shape, when `y` does not depend on a tensor
 * of `wrt`, or when an op on the way has no gradient
 */
export function gradients(y: Tensor, wrt: readonly Tensor[], dy?: Tensor): Tensor[] {
  if (!dy && sizeOf(y.shape) !== 1) throw new UseError(`gradients: the loss must be a scalar, got ${showShape(y.shape)}`);
  if (dy && !sameShape(dy.shape, y.shape)) {
    throw new UseError(`gradients: dy must have the shape of y, ${showShape(y.shape)}, got ${showShape(dy.shape)}`);
  }
  const { graph } = y;
  const forward = graph.nodes.slice(0, y.node.id + 1);
  const reached = dependents(forward, wrt);
  const grads = new Map<Tensor, Tensor>([[y, dy ?? graph.constant(new Float32Array([1]), y.shape)]]);
  const readable = recomputing();

  for (const node of [...forward].reverse()) {
    if (!reached.has(node)) continue;
    const dys = node.outputs.map((t) => grads.get(t));
    const needed = node.inputs.map((t) => reached.has(t.node));
    if (dys.every((dy) => dy === undefined) || !needed.includes(true)) continue;
    const { backward } = node.op;
    if (!backward) throw new UseError(`gradients: ${labelOf(node)} has no gradient`);
    const part = node.part === undefined || node.part.endsWith(BACKWARD) ? node.part : node.part + BACKWARD;
    graph.part(part, () => backward(readable(node), dys, needed).forEach((dx, i) => {
      const x = node.inputs[i]!;
      if (!dx || !needed[i]) return;
      const sum = grads.get(x);
      grads.set(x, sum ? add(sum, dx) : dx);
    }));
  }

  return wrt.map((t) => {
    const dt = grads.get(t);
    if (!dt) throw new UseError(`gradients: the loss does not depend on ${labelOf(t.node)}`);
    return dt;
  });
}
