/** Fusion: pairs of nodes that one launch can do. The ops say which (`Op.fuse`); this file says when it is legal. */
import type { Node, Tensor } from '../graph/graph.js';

/** Nodes that read each tensor, in order. */
export function consumersOf(nodes: readonly Node[]): Map<Tensor, Node[]> {
  const readers = new Map<Tensor, Node[]>();
  for (const node of nodes) {
    for (const t of new Set(node.inputs)) {
      const known = readers.get(t);
      if (known) known.push(node);
      else readers.set(t, [node]);
    }
  }
  return readers;
}

type Readers = Map<Tensor, Node[]>;

/** The fused node of `node` and the first node that reads it, when that is allowed. */
function tryFuse(node: Node, readers: Readers, position: ReadonlyMap<Node, number>, keep: ReadonlySet<Tensor>): { next: Node; fused: Node } | undefined {
  const all = node.outputs.flatMap((t) => readers.get(t) ?? []);
  const next = all.reduce<Node | undefined>((first, n) => (!first || position.get(n)! < position.get(first)! ? n : first), undefined);
  if (!next || next.op.inPlace || next.op.memory) return undefined;
  const sole = all.length === 1 && !node.outputs.some((t) => keep.has(t));
  const spec = node.op.fuse?.(node, next, sole);
  if (!spec) return undefined;
  // What disappears must not be needed by anybody else.
  const lost = [...node.outputs, ...next.outputs].filter((t) => !spec.outputs.includes(t));
  if (lost.some((t) => keep.has(t) || (readers.get(t) ?? []).some((n) => n !== next && n !== node))) return undefined;
  return { next, fused: { ...next, op: spec.op, attrs: spec.attrs, inputs: spec.inputs, outputs: spec.outputs } };
}

/** Puts `fused` where `node` and `next` were among the readers of their inputs. */
function updateReaders(readers: Readers, node: Node, next: Node, fused: Node): void {
  for (const t of new Set([...node.inputs, ...next.inputs])) {
    const others = (readers.get(t) ?? []).filter((n) => n !== node && n !== next);
    readers.set(t, fused.inputs.includes(t) ? [...others, fused] : others);
  }
}

/**
 * Replaces fusible pairs until none is left. The fused node stands where the second stood: every other reader of the first
 * comes later, because the second is its first reader. Pure; `nodes` are in topological order.
 */
export function fuse(nodes: readonly Node[], keep: ReadonlySet<Tensor>): Node[] {
  const readers = consumersOf(nodes);
  const position = new Map(nodes.map((n, at) => [n, at]));
  const result: (Node | undefined)[] = [...nodes];
  for (let at = 0; at < result.length; at++) {
    const node = result[at];
    const found = node?.op.fuse && tryFuse(node, readers, position, keep);
    if (!node || !found) continue;
    const { next, fused } = found;
    const there = position.get(next)!;
    updateReaders(readers, node, next, fused);
    result[at] = undefined;
    result[there] = fused; // later in the list: it may be fused again when the walk gets there
    position.set(fused, there);
  }
  return result.filter((n) => n !== undefined);
}
