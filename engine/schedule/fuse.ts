/** Fusion: pairs of nodes that one launch can do. The ops define which (`Op.fuse`); this file decides when it is legal. */
import { getOrInsert, type Node, type Tensor } from '../graph/index.js';

/** Nodes that read each tensor, in order. */
export function consumersOf(nodes: readonly Node[]): Map<Tensor, Node[]> {
  const readers = new Map<Tensor, Node[]>();
  for (const node of nodes) for (const t of new Set(node.inputs)) getOrInsert(readers, t, () => []).push(node);
  return readers;
}

interface Fusion {
  readonly readers: Map<Tensor, Node[]>;
  /** Places in the list of nodes. */
  readonly position: Map<Node, number>;
  readonly keep: ReadonlySet<Tensor>;
}

/** The fused node of `node` and the first node that reads it, if there is one and it is legal. */
function tryFuse(node: Node, { readers, position, keep }: Fusion): { next: Node; fused: Node } | undefined {
  const all = node.outputs.flatMap((t) => readers.get(t) ?? []);
  const [next] = [...all].sort((a, b) => position.get(a)! - position.get(b)!);
  if (!next || next.op.inPlace || next.op.memory) return undefined;
  const sole = all.length === 1 && !node.outputs.some((t) => keep.has(t));
  const replacement = node.op.fuse?.(node, next, sole);
  if (!replacement) return undefined;
  // No other node may need a tensor that disappears.
  const lost = [...node.outputs, ...next.outputs].filter((t) => !replacement.outputs.includes(t));
  if (lost.some((t) => keep.has(t) || (readers.get(t) ?? []).some((n) => n !== next && n !== node))) return undefined;
  return { next, fused: { ...next, ...replacement } };
}

/** Puts `fused` in the place of `node` and `next` among the readers of their inputs. */
function updateReaders({ readers }: Fusion, node: Node, next: Node, fused: Node): void {
  for (const t of new Set([...node.inputs, ...next.inputs])) {
    const others = (readers.get(t) ?? []).filter((n) => n !== node && n !== next);
    readers.set(t, fused.inputs.includes(t) ? [...others, fused] : others);
  }
}

/**
 * Replaces pairs until none is left. The fused node takes the place of the second: every other reader of the first comes
 * later, because the second is its first reader. Pure; `nodes` are in topological order.
 */
export function fuse(nodes: readonly Node[], keep: ReadonlySet<Tensor>): Node[] {
  const fusion: Fusion = { readers: consumersOf(nodes), position: new Map(nodes.map((n, at) => [n, at])), keep };
  const result: (Node | undefined)[] = [...nodes];
  for (let at = 0; at < result.length; at++) {
    const node = result[at];
    const found = node?.op.fuse && tryFuse(node, fusion);
    if (!node || !found) continue;
    const { next, fused } = found;
    const later = fusion.position.get(next)!;
    updateReaders(fusion, node, next, fused);
    result[at] = undefined;
    result[later] = fused; // it may be fused again when the loop reaches it
    fusion.position.set(fused, later);
  }
  return result.filter((n) => n !== undefined);
}
