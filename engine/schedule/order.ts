/** The order of launches: the graph's own or a greedy one, whichever needs less memory. Pure. */
import { UseError, type Node, type Tensor } from '../graph/index.js';
import { consumersOf } from './fuse.js';
import { byteSize, type Plan } from './memory.js';

/** The nodes that must run before each node: the makers of its inputs, and the other readers of an input that it overwrites. */
function predecessors(nodes: readonly Node[]): Map<Node, Set<Node>> {
  const makerOf = new Map<Tensor, Node>(nodes.flatMap((n) => n.outputs.map((t) => [t, n] as const)));
  const before = new Map<Node, Set<Node>>(nodes.map((n) => [n, new Set(n.inputs.map((t) => makerOf.get(t)!))]));
  const readers = consumersOf(nodes);
  for (const node of nodes) {
    for (const old of node.inputs.slice(0, node.op.inPlace ?? 0)) {
      for (const reader of readersThroughViews(old, readers)) if (reader !== node) before.get(node)!.add(reader);
    }
  }
  return before;
}

function readersThroughViews(t: Tensor, readers: Map<Tensor, Node[]>): Node[] {
  const viewsOf = (n: Node): readonly Tensor[] => (n.op.memory === 'view' ? n.outputs : []);
  return (readers.get(t) ?? []).flatMap((n) => [n, ...viewsOf(n).flatMap((view) => readersThroughViews(view, readers))]);
}

/** Of the nodes that may run next takes the one that frees most memory (or takes least); ties go to the graph's order. */
function greedyOrder(nodes: readonly Node[]): Node[] {
  const before = predecessors(nodes);
  const position = new Map(nodes.map((n, i) => [n, i]));
  const waiting = new Map(nodes.map((n) => [n, before.get(n)!.size]));
  const after = new Map<Node, Node[]>(nodes.map((n) => [n, []]));
  for (const [node, earlier] of before) for (const e of earlier) after.get(e)!.push(node);
  const unread = new Map<Tensor, number>([...consumersOf(nodes)].map(([t, list]) => [t, list.length]));

  const cost = (node: Node): number => {
    if (!node.op.kernel) return -Number.MAX_VALUE; // leaves, views and packs cost nothing and let others run
    const bytes = (tensors: Iterable<Tensor>): number => [...tensors].reduce((sum, t) => sum + byteSize(t), 0);
    const freed = [...new Set(node.inputs)].filter((t) => unread.get(t) === 1 && t.node.op.kernel);
    return bytes(node.outputs) - bytes(freed);
  };
  const compare = (a: Node, b: Node): number => cost(a) - cost(b) || position.get(a)! - position.get(b)!;

  const ready = nodes.filter((n) => waiting.get(n) === 0);
  const order: Node[] = [];
  while (ready.length > 0) {
    const node = ready.reduce((best, other) => (compare(other, best) < 0 ? other : best));
    ready.splice(ready.indexOf(node), 1);
    order.push(node);
    for (const t of new Set(node.inputs)) unread.set(t, unread.get(t)! - 1);
    for (const next of after.get(node)!) {
      const left = waiting.get(next)! - 1;
      waiting.set(next, left);
      if (left === 0) ready.push(next);
    }
  }
  if (order.length < nodes.length) {
    throw new UseError('schedule: a tensor is read after the launch that overwrites it; read the new one instead');
  }
  return order;
}

export interface Ordered {
  /** The nodes in order. */
  readonly order: readonly Node[];
  /** The same with the copies that the plan needs. */
  readonly nodes: readonly Node[];
  readonly plan: Plan;
}

/** The cheaper of the two orders, with its plan. @throws UseError when a tensor is read after it is overwritten */
export function orderForMemory(nodes: readonly Node[], plan: (order: readonly Node[]) => { nodes: Node[]; plan: Plan }): Ordered {
  const planned = (order: readonly Node[]): Ordered => ({ order, ...plan(order) });
  const total = ({ plan: { slots } }: Ordered): number => slots.reduce((sum, bytes) => sum + bytes, 0);
  const greedy = planned(greedyOrder(nodes));
  if (!keepsOrder(nodes)) return greedy;
  const built = planned(nodes);
  return total(greedy) < total(built) ? greedy : built;
}

/** True when the graph's own order already reads every tensor before it is overwritten. */
function keepsOrder(nodes: readonly Node[]): boolean {
  const position = new Map(nodes.map((n, i) => [n, i]));
  return [...predecessors(nodes)].every(([node, earlier]) => [...earlier].every((e) => position.get(e)! < position.get(node)!));
}
