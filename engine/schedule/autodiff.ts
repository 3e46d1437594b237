/** Reverse-mode differentiation: walks ids backwards and appends the backward nodes to the same graph. */
import type { Graph, Node, Tensor } from '../graph/graph.js';
import { labelOf } from '../graph/graph.js';
import { add } from '../ops/binary.js';
import { sameShape, sizeOf, showShape } from '../graph/shape.js';

/** What the gradient of a part of the model is called. */
const BACKWARD = ' backward';

/** Nodes on a path from some tensor of `wrt`; only these need gradients. */
function dependents(nodes: readonly Node[], wrt: readonly Tensor[]): Set<Node> {
  const reached = new Set<Node>(wrt.map((t) => t.node));
  for (const node of nodes) if (node.inputs.some((t) => reached.has(t.node))) reached.add(node);
  return reached;
}

/** A node as its gradient sees it: what was not kept is computed again, once, right before it is first needed. */
function remembering(graph: Graph): (node: Node) => Node {
  const twins = new Map<Node, Node>();
  const inputsOf = (node: Node): readonly Tensor[] => node.inputs.map((t) => twinOf(t.node)?.outputs[t.index] ?? t);
  const twinOf = (node: Node): Node | undefined => {
    if (node.recompute !== 'forget') return undefined;
    const twin = twins.get(node) ?? graph.again(node, inputsOf(node));
    twins.set(node, twin);
    return twin;
  };
  return (node) => twinOf(node) ?? (node.inputs.some((t) => t.node.recompute === 'forget') ? { ...node, inputs: inputsOf(node) } : node);
}

/**
 * Gradients of the scalar `y` with respect to each tensor of `wrt`, in their order and of their shapes; with `dy`, a tensor of y's shape, of the sum of
 * y dy, where y may have any shape (PyTorch's grad_outputs). What leads to none of them is not built. One of `wrt` may have been made from another.
 * What the graph does not keep (`Graph.recomputed`) is computed again.
 * @throws Error when `y` is not a scalar and has no `dy`, when dy has another shape, or when y does not depend on a tensor of `wrt`, or meets an op without a gradient
 */
export function gradients(y: Tensor, wrt: readonly Tensor[], dy?: Tensor): Tensor[] {
  if (!dy && sizeOf(y.shape) !== 1) throw new Error(`gradients: the loss must be a scalar, got ${showShape(y.shape)}`);
  if (dy && !sameShape(dy.shape, y.shape)) throw new Error(`gradients: dy must have the shape of y, ${showShape(y.shape)}, got ${showShape(dy.shape)}`);
  const graph = y.graph;
  const forward = graph.nodes.slice(0, y.node.id + 1);
  const reached = dependents(forward, wrt);
  const grads = new Map<Tensor, Tensor>([[y, dy ?? graph.constant(new Float32Array([1]), y.shape)]]);

  const seen = remembering(graph);

  for (const node of [...forward].reverse()) {
    if (!reached.has(node)) continue;
    const dys = node.outputs.map((t) => grads.get(t));
    if (dys.every((dy) => dy === undefined)) continue;
    const needed = node.inputs.map((t) => reached.has(t.node));
    if (!needed.includes(true)) continue;
    if (!node.op.backward) throw new Error(`gradients: ${labelOf(node)} has no gradient`);
    const part = node.part === undefined || node.part.endsWith(BACKWARD) ? node.part : node.part + BACKWARD;
    graph.part(part, () => node.op.backward!(seen(node), dys, needed).forEach((dx, i) => {
      const x = node.inputs[i]!;
      if (!dx || !needed[i]) return;
      const sum = grads.get(x);
      grads.set(x, sum ? add(sum, dx) : dx);
    }));
  }

  return wrt.map((t) => {
    const dt = grads.get(t);
    if (!dt) throw new Error(`gradients: the loss does not depend on ${labelOf(t.node)}`);
    return dt;
  });
}
