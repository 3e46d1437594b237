/**
 * From a graph to a list of launches: reachability, common subexpressions, fusion, order and memory.
 * Pure and printable: nothing here knows the GPU.
 */
import {
  getOrInsert, inputOp, labelOf, parameterOp, showShape, UseError, type LeafAttrs, type Node, type Tensor,
} from '../graph/index.js';
import { fuse } from './fuse.js';
import { itemSize, planStorage, type Plan } from './memory.js';
import { orderForMemory } from './order.js';

export interface Schedule {
  /** Inputs, parameters and constants that the launches read. */
  readonly leaves: readonly Node[];
  /** Nodes with a launch, in order. */
  readonly launches: readonly Node[];
  /** All nodes after merging and fusion, in order. */
  readonly order: readonly Node[];
  readonly plan: Plan;
  /** The tensor that takes the place of `t` after common subexpressions were merged. */
  readonly resolve: (t: Tensor) => Tensor;
}

/** Nodes that `outputs` depend on, in id order. */
function reachable(outputs: readonly Tensor[]): Node[] {
  const seen = new Set<Node>();
  const stack = outputs.map((t) => t.node);
  for (let node = stack.pop(); node; node = stack.pop()) {
    if (seen.has(node)) continue;
    seen.add(node);
    stack.push(...node.inputs.map((t) => t.node));
  }
  return [...seen].sort((a, b) => a.id - b.id);
}

/** Merges nodes that compute the same from the same inputs. */
function mergeCommon(nodes: readonly Node[]): { nodes: Node[]; resolve: Schedule['resolve'] } {
  const standIn = new Map<Tensor, Tensor>();
  const resolve = (t: Tensor): Tensor => standIn.get(t) ?? t;
  const ids = new Map<object, number>();
  const idOf = (object: object): number => getOrInsert(ids, object, () => ids.size);
  /** Equal for nodes that compute the same. */
  const keyOf = ({ op, attrs, outputs, recompute }: Node, inputs: readonly Tensor[]): string => {
    const identity = (value: unknown): unknown => (ArrayBuffer.isView(value) ? idOf(value) : value);
    const values = Object.entries(attrs as object).map(([name, value]) => [name, identity(value)]);
    return JSON.stringify([idOf(op), values, inputs.map(idOf), outputs.map((t) => t.dtype), recompute === 'again']);
  };
  const known = new Map<string, Node>();
  const kept: Node[] = [];
  for (const node of nodes) {
    const inputs = node.inputs.map(resolve);
    const key = keyOf(node, inputs);
    const twin = known.get(key);
    // A launch without inputs depends on sizes alone: merging two that happen to agree would make the plan depend on sizes.
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

/** Reachable nodes, merged and fused, in the graph's order; `keep` are the outputs after merging. */
export function simplify(outputs: readonly Tensor[]): { nodes: Node[]; keep: ReadonlySet<Tensor>; resolve: Schedule['resolve'] } {
  const { nodes, resolve } = mergeCommon(reachable(outputs));
  const keep = new Set(outputs.map(resolve));
  return { nodes: fuse(nodes, keep), keep, resolve };
}

/** @throws UseError for two inputs of one name that were not merged because their shapes differ: a write would reach only one */
function checkInputs(nodes: readonly Node[]): void {
  const known = new Map<string, string>();
  for (const node of nodes.filter((n) => n.op === inputOp)) {
    const { name, shape } = node.attrs as LeafAttrs;
    const other = known.get(name);
    if (other) throw new UseError(`schedule: input ${name} is used as ${other} and as ${showShape(shape)}`);
    known.set(name, showShape(shape));
  }
}

/** Plans the launches that compute `outputs`. @throws UseError for inputs of one name and different shapes */
export function schedule(outputs: readonly Tensor[]): Schedule {
  const { nodes: simplified, keep, resolve } = simplify(outputs);
  checkInputs(simplified);
  const { order, nodes, plan } = orderForMemory(simplified, (candidate) => planStorage(candidate, keep));
  const [leaves, launches] = [nodes.filter((n) => n.op.memory === 'leaf'), nodes.filter((n) => n.op.kernel)];
  return { leaves, launches, order, plan, resolve };
}

/** `w` (a parameter), `input x`, `s3` (a slot), `s3+64` (from its element 64 on), `out5` (a buffer of the program's own). */
function showPlace(t: Tensor, plan: Plan): string {
  const { storage: { leaf, id, slot, offset: bytes }, offset } = plan.placeOf(t)!;
  const leafName = leaf && (leaf.op === parameterOp ? (leaf.attrs as LeafAttrs).name : labelOf(leaf).replace(/^%\d+ /, ''));
  const buffer = leafName ?? (slot === undefined ? `out${id}` : `s${slot}`);
  const from = bytes / itemSize(t) + offset;
  return from ? `${buffer}+${from}` : buffer;
}

const kib = (bytes: number): string => `${(bytes / 1024).toFixed(1)} KiB`;

/** One launch per line with the place of every tensor, then the slots; snapshot tests check it. */
export function showSchedule({ launches, plan }: Schedule): string {
  const places = (ts: readonly Tensor[]): string => ts.map((t) => showPlace(t, plan)).join(', ');
  const lines = launches.map((node) => {
    const shapes = node.outputs.map((t) => showShape(t.shape)).join(' ');
    return `${labelOf(node)}(${places(node.inputs)}) -> ${places(node.outputs)} ${shapes}`;
  });
  const total = kib(plan.slots.reduce((sum, size) => sum + size, 0));
  lines.push(`${launches.length} launches, ${plan.slots.length} slots, ${total}, lower bound ${kib(plan.lowerBound)}`);
  return lines.join('\n');
}
