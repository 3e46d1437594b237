/**
 * One program, many image sizes. A graph built again for other sizes mostly differs in numbers that kernels read from `dims` and in
 * how many workgroups run. Then the launches, bind groups and memory of a program serve it too. Pure.
 */
import type { LeafAttrs, Node, Tensor } from '../graph/graph.js';
import type { Kernel } from '../graph/kernel.js';
import { byteSize, layOut } from './memory.js';
import { simplify, type Schedule } from './schedule.js';
import { sameShape } from '../graph/shape.js';

/** What a program needs to run at certain sizes. Made by `Program.variant`. */
export interface Variant {
  readonly outputs: Readonly<Record<string, Tensor>>;
  /** `dims` of all launches, one after the other, and how many fields each has. */
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

const sameTensor = (a: Tensor, b: Tensor): boolean => a.node.id === b.node.id && a.index === b.index;
const sameTensors = (a: readonly Tensor[], b: readonly Tensor[]): boolean => a.length === b.length && a.every((t, i) => sameTensor(t, b[i]!));

/** Leaves must be the same to the last value: their buffers are bound already. */
function sameLeaf(a: LeafAttrs, b: LeafAttrs): boolean {
  const sameData = a.data === b.data || (a.data !== undefined && a.data.length === b.data?.length && a.data.every((value, i) => value === b.data![i]));
  return a.name === b.name && sameShape(a.shape, b.shape) && sameData;
}

/** The same op on the same tensors, sizes aside. */
function sameNode(a: Node, b: Node): boolean {
  if (a.op !== b.op || !sameTensors(a.inputs, b.inputs) || !sameTensors(a.outputs, b.outputs)) return false;
  return a.op.memory !== 'leaf' || sameLeaf(a.attrs as LeafAttrs, b.attrs as LeafAttrs);
}

const sameCode = (a: Kernel, b: Kernel): boolean => a.code === b.code && JSON.stringify(a.constants) === JSON.stringify(b.constants);

/**
 * The kernels that compute `outputs`, a graph built like that of `base` but for other sizes, with the launches and memory of `base`;
 * absent when it differs in more than sizes or needs more memory anywhere.
 */
export function adapt(base: Schedule, kernels: readonly Kernel[], outputs: readonly Tensor[], kernelOf: (node: Node) => Kernel): Kernel[] | undefined {
  const { nodes: simplified } = simplify(outputs);
  if (simplified.length !== base.order.length) return undefined;
  const byId = new Map(simplified.map((n) => [n.id, n]));
  const order: Node[] = [];
  for (const node of base.order) {
    const twin = byId.get(node.id);
    if (!twin || !sameNode(node, twin)) return undefined;
    order.push(twin);
  }

  const { nodes, homeOf } = layOut(order);
  const launches = nodes.filter((n) => n.op.kernel);
  if (launches.length !== base.launches.length) return undefined;
  const adapted: Kernel[] = [];
  for (const [i, node] of launches.entries()) {
    const old = base.launches[i]!;
    const tensors = [...old.inputs, ...old.outputs];
    const fits = [...node.inputs, ...node.outputs].every((t, k) => {
      const [{ root, offset }, place] = [homeOf(t), base.plan.placeOf(tensors[k]!)];
      return offset === place.offset && byteSize(root) <= place.storage.bytes;
    });
    const kernel = kernelOf(node);
    if (!fits || old.op !== node.op || !sameCode(kernel, kernels[i]!)) return undefined;
    adapted.push(kernel);
  }
  return adapted;
}
