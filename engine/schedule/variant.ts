/**
 * One program, many image sizes. A graph built again for other sizes mostly differs in numbers that kernels read from `dims`
 * and in the number of workgroups. Then the launches, bind groups and memory of a program serve it too. Pure.
 */
import { sameShape, type Kernel, type LeafAttrs, type Node, type Tensor } from '../graph/index.js';
import { byteSize, findAliases } from './memory.js';
import { simplify, type Schedule } from './schedule.js';

/** The numbers of a program that depend on image sizes. Made by `Program.variant`. */
export interface Variant {
  readonly outputs: Readonly<Record<string, Tensor>>;
  /** `dims` of all launches, one after the other, and the number of fields of each. */
  readonly dims: Uint32Array;
  readonly fields: Uint32Array;
  /** Three numbers per launch. */
  readonly workgroups: Uint32Array;
}

export function variantOf(outputs: Readonly<Record<string, Tensor>>, kernels: readonly Kernel[]): Variant {
  return {
    outputs,
    dims: Uint32Array.from(kernels.flatMap((k) => k.dims ?? [])),
    fields: Uint32Array.from(kernels, (k) => k.dims?.length ?? 0),
    workgroups: Uint32Array.from(kernels.flatMap((k) => [...k.workgroups])),
  };
}

const sameTensors = (a: readonly Tensor[], b: readonly Tensor[]): boolean =>
  a.length === b.length && a.every((t, i) => t.node.id === b[i]!.node.id && t.index === b[i]!.index);

/** Leaves must have the same values: their buffers are bound already. */
function sameLeaf(a: LeafAttrs, b: LeafAttrs): boolean {
  if (a.name !== b.name || !sameShape(a.shape, b.shape)) return false;
  return a.data === b.data || (a.data?.length === b.data?.length && a.data!.every((value, i) => value === b.data![i]));
}

/** The same op on the same tensors, sizes aside. */
function sameNode(a: Node, b: Node): boolean {
  if (a.op !== b.op || !sameTensors(a.inputs, b.inputs) || !sameTensors(a.outputs, b.outputs)) return false;
  return a.op.memory !== 'leaf' || sameLeaf(a.attrs as LeafAttrs, b.attrs as LeafAttrs);
}

const sameCode = (a: Kernel, b: Kernel): boolean =>
  a.code === b.code && JSON.stringify(a.constants) === JSON.stringify(b.constants);

/**
 * The kernels that compute `outputs`, a graph built like that of `base` but for other sizes, with the launches and memory of
 * `base`; undefined when the graph differs in more than sizes or needs more memory anywhere. `kernelOf` gives a node the kernel
 * that its twin in `base` has.
 */
export function adapt(
  base: Schedule, kernels: readonly Kernel[], outputs: readonly Tensor[], kernelOf: (node: Node, like: Node) => Kernel,
): Kernel[] | undefined {
  const { nodes: simplified } = simplify(outputs);
  if (simplified.length !== base.order.length) return undefined;
  const byId = new Map(simplified.map((n) => [n.id, n]));
  const order = base.order.map((n) => byId.get(n.id));
  if (!order.every((twin, i) => twin && sameNode(base.order[i]!, twin))) return undefined;

  const { nodes, rootOf } = findAliases(order as Node[]);
  const launches = nodes.filter((n) => n.op.kernel);
  const fits = (node: Node, old: Node): boolean => node.op === old.op && [...node.inputs, ...node.outputs].every((t, k) => {
    const { root, offset } = rootOf(t);
    const place = base.plan.placeOf([...old.inputs, ...old.outputs][k]!)!;
    return offset === place.offset && byteSize(root) <= place.storage.bytes;
  });
  if (launches.length !== base.launches.length || !launches.every((n, i) => fits(n, base.launches[i]!))) return undefined;
  const adapted = launches.map((node, i) => kernelOf(node, base.launches[i]!));
  return adapted.every((kernel, i) => sameCode(kernel, kernels[i]!)) ? adapted : undefined;
}
