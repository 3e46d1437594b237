/** A launch taken out of its program, to be run alone. */
import { Graph, type Dtype, type Node, type Tensor } from '../graph/index.js';

/** Outputs y0, y1, ... of a graph that holds `node` alone: each tensor that it reads is an input of its type, x0, x1, ... */
export function single(node: Node): Record<string, Tensor> {
  const g = new Graph();
  const as = (dtype: Dtype, t: Tensor): Tensor => Object.assign(t, { dtype });
  const inputs = new Map<Tensor, Tensor>();
  for (const t of node.inputs) if (!inputs.has(t)) inputs.set(t, as(t.dtype, g.input(`x${inputs.size}`, t.shape)));
  const outputs = g.add(node.op, node.inputs.map((t) => inputs.get(t)!), node.attrs);
  return Object.fromEntries(outputs.map((t, i) => [`y${i}`, as(node.outputs[i]!.dtype, t)]));
}
