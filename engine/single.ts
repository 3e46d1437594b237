/** One launch of a schedule as a program of its own, for benchmarks. */
import { Graph, type Node, type Tensor } from './graph/graph.js';

/** Outputs of a graph that holds `node` alone: what it read is an input each, named x0, x1, ... */
export function single(node: Node): Record<string, Tensor> {
  const g = new Graph();
  const inputs = new Map<Tensor, Tensor>();
  for (const t of node.inputs) if (!inputs.has(t)) inputs.set(t, g.input(`x${inputs.size}`, t.shape));
  const outputs = g.add(node.op, node.inputs.map((t) => inputs.get(t)!), node.attrs);
  return Object.fromEntries(outputs.map((t, i) => [`y${i}`, t]));
}
