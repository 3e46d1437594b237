/**
 * From a graph to a list of launches: reachability, common subexpressions, fusion, order, and where each tensor lies.
 * Pure and printable: nothing here knows the GPU.
 */
import { fuse } from './fuse.js';
import { inputOp, labelOf, parameterOp, type LeafAttrs, type Node, type Tensor } from '../graph/graph.js';
import { itemSize, planStorage, type Plan } from './memory.js';
import { orderForMemory } from './order.js';
import { showShape } from '../graph/shape.js';

export interface Schedule {
  /** Inputs, parameters and constants that the launches read. */
  readonly leaves: readonly Node[];
  /** Nodes with a launch, in order. */
  readonly launches: readonly Node[];
  /** All nodes after merging and fusion, in order. */
  readonly order: readonly Node[];
  readonly plan: Plan;
  /** The tensor that stands for `t` after common subexpressions were merged. */
  readonly resolve: (t: Tensor) => Tensor;
}

/** Nodes that `outputs` depend on, in id order. */
export function reachable(outputs: readonly Tensor[]): Node[] {
  const seen = new Set<Node>();
  const stack = outputs.map((t) => t.node);
  for (let node = stack.pop(); node; node = stack.pop()) {
    if (seen.has(node)) continue;
    seen.add(node);
    stack.push(...node.inputs.map((t) => t.node));
  }
  return [...seen].sort((a, b) => a.id - b.id);
}

/** Merges nodes that compute the same from the same. Returns the survivors and what stands for each merged tensor. */
export function mergeCommon(nodes: readonly Node[]): { nodes: Node[]; resolve: (t: Tensor) => Tensor } {
  const standIn = new Map<Tensor, Tensor>();
  const resolve = (t: Tensor): Tensor => standIn.get(t) ?? t;
  const idOf = identities();
  const known = new Map<string, Node>();
  const kept: Node[] = [];
  for (const node of nodes) {
    const inputs = node.inputs.map(resolve);
    const attrs = Object.entries(node.attrs as object).map(([k, v]) => [k, ArrayBuffer.isView(v) ? idOf(v) : v]);
    const key = `${node.recompute === 'again' ? 'again ' : ''}${idOf(node.op)} ${JSON.stringify(attrs)} ${inputs.map((t) => idOf(t)).join()} ${node.outputs.map((t) => t.dtype).join()}`;
    const twin = known.get(key);
    // A launch that reads nothing depends on sizes alone: merging two where sizes happen to agree would make the plan depend on them.
    const isTable = node.inputs.length === 0 && node.op.kernel !== undefined;
    if (twin && !node.op.inPlace && !isTable) {
      node.outputs.forEach((t, i) => standIn.set(t, twin.outputs[i]!));
      continue;
    }
    known.set(key, node);
    kept.push({ ...node, inputs });
  }
  return { nodes: kept, resolve };
}

/** Small numbers for objects, by identity. */
function identities(): (object: object) => number {
  const ids = new Map<object, number>();
  return (object) => {
    const id = ids.get(object) ?? ids.size;
    ids.set(object, id);
    return id;
  };
}

/** Reachable nodes, merged and fused, in the graph's order. */
export function simplify(outputs: readonly Tensor[]): { nodes: Node[]; keep: ReadonlySet<Tensor>; resolve: (t: Tensor) => Tensor } {
  const { nodes, resolve } = mergeCommon(reachable(outputs));
  const keep = new Set(outputs.map(resolve));
  return { nodes: fuse(nodes, keep), keep, resolve };
}

/** @throws Error for two inputs of one name that merging has left, because their shapes differ: a write would reach only one */
function checkInputs(nodes: readonly Node[]): void {
  const known = new Map<string, Node>();
  for (const node of nodes.filter((n) => n.op === inputOp)) {
    const { name } = node.attrs as LeafAttrs;
    const other = known.get(name);
    if (other) throw new Error(`schedule: input ${name} is used as ${showShape(other.outputs[0]!.shape)} and as ${showShape(node.outputs[0]!.shape)}`);
    known.set(name, node);
  }
}

/** Plans the launches that compute `outputs`. @throws Error for inputs of one name and different shapes */
export function schedule(outputs: readonly Tensor[]): Schedule {
  const { nodes: simplified, keep, resolve } = simplify(outputs);
  checkInputs(simplified);
  const { order, nodes, plan } = orderForMemory(simplified, (candidate) => planStorage(candidate, keep));
  return {
    leaves: nodes.filter((n) => n.op.memory === 'leaf'),
    launches: nodes.filter((n) => n.op.kernel),
    order,
    plan,
    resolve,
  };
}

/** Where a tensor lies: `w` (a parameter), `input x`, `s3` (a slot), `s3+64` (from its element 64 on), `out5` (a buffer of the program's own). */
function showPlace(t: Tensor, plan: Plan): string {
  const { storage, offset } = plan.placeOf(t);
  const home = storage.leaf
    ? storage.leaf.op === parameterOp ? (storage.leaf.attrs as LeafAttrs).name : labelOf(storage.leaf).split(' ').slice(1).join(' ')
    : storage.slot === undefined ? `out${storage.id}` : `s${storage.slot}`;
  const from = storage.offset / itemSize(t) + offset;
  return from ? `${home}+${from}` : home;
}

const kib = (bytes: number): string => `${(bytes / 1024).toFixed(1)} KiB`;

/** One launch per line with the place of every tensor, then the slots; snapshot tests hold it. */
export function showSchedule({ launches, plan }: Schedule): string {
  const lines = launches.map((node) => {
    const list = (ts: readonly Tensor[]): string => ts.map((t) => showPlace(t, plan)).join(', ');
    return `${labelOf(node)}(${list(node.inputs)}) -> ${list(node.outputs)} ${node.outputs.map((t) => showShape(t.shape)).join(' ')}`;
  });
  const total = plan.slots.reduce((sum, size) => sum + size, 0);
  return [...lines, `${launches.length} launches, ${plan.slots.length} slots, ${kib(total)}, lower bound ${kib(plan.lowerBound)}`].join('\n');
}
