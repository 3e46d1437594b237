/** Where tensors lie: storages with lifetimes, and slots, the buffers that storages share, one after the other and side by side. Pure. */
import type { Dtype, Node, Tensor } from '../graph/graph.js';
import { copyNode } from '../ops/copy.js';
import { alignedSize } from '../ops/view.js';
import { sizeOf } from '../graph/shape.js';

/** A piece of memory that one or more tensors live in. */
export interface Storage {
  readonly id: number;
  /** Rounded up to 16, so that a tensor can be bound as vectors of four. */
  readonly bytes: number;
  /** The input, parameter or constant whose memory this is. */
  readonly leaf?: Node;
  /** First and last launch that touches it. */
  birth: number;
  death: number;
  /** The shared buffer it lies in; absent for leaves and for outputs that outlive the run. */
  slot?: number;
  /** Bytes from that buffer's start. */
  offset: number;
}

export interface Plan {
  readonly storages: readonly Storage[];
  /** Bytes of each slot, largest first. */
  readonly slots: readonly number[];
  /** Largest sum of tensors alive at one launch: no plan can need less. */
  readonly lowerBound: number;
  /** Storage and offset in it in elements. */
  readonly placeOf: (t: Tensor) => Place;
}

export interface Place {
  readonly storage: Storage;
  readonly offset: number;
}

const ITEM_BYTES: Readonly<Record<Dtype, number>> = { f32: 4, f16: 2 };

/** Bytes of one element. */
export const itemSize = ({ dtype }: { readonly dtype: Dtype }): number => ITEM_BYTES[dtype];

export const byteSize = (t: Tensor): number => Math.ceil((sizeOf(t.shape) * itemSize(t)) / 16) * 16;

/** The tensor that a view with nothing left out renames, as far back as it goes. */
function wholeSource(t: Tensor, makerOf: ReadonlyMap<Tensor, Node>): Tensor {
  const { op, inputs, attrs } = makerOf.get(t)!;
  const isWhole = op.memory === 'view' && (attrs as { offset: number }).offset === 0 && sizeOf(inputs[0]!.shape) === sizeOf(t.shape);
  return isWhole ? wholeSource(inputs[0]!, makerOf) : t;
}

/** The tensor whose memory a view, of the whole or of a part, lies in. */
function rootOf(t: Tensor, makerOf: ReadonlyMap<Tensor, Node>): Tensor {
  const { op, inputs } = makerOf.get(t)!;
  return op.memory === 'view' ? rootOf(inputs[0]!, makerOf) : t;
}

/**
 * Of the inputs of a pack those that can be computed right inside it: made by a launch that does not overwrite, in no pack
 * yet, wanted once, and read neither by a launch that makes another input nor by a copy into this pack, because a launch
 * cannot read and write one buffer.
 */
function movable(sources: readonly Tensor[], taken: ReadonlyMap<Tensor, unknown>, makerOf: ReadonlyMap<Tensor, Node>): Set<Tensor> {
  const isLaunched = (t: Tensor): boolean => {
    const { op, outputs } = makerOf.get(t)!;
    return op.kernel !== undefined && (op.inPlace ?? 0) <= outputs.indexOf(t) && !taken.has(t);
  };
  const isOnce = (t: Tensor): boolean => sources.indexOf(t) === sources.lastIndexOf(t);
  const read = new Set(sources.flatMap((t) => (isLaunched(t) && isOnce(t) ? makerOf.get(t)!.inputs : [t]).map((x) => rootOf(x, makerOf))));
  return new Set(sources.filter((t) => isLaunched(t) && isOnce(t) && !read.has(t)));
}

interface Alias {
  readonly of: Tensor;
  readonly offset: number;
}

/** Nodes with the copies that packs need, and for each tensor the one whose memory it lies in, with the offset in elements. */
export interface Layout {
  readonly nodes: Node[];
  readonly homeOf: (t: Tensor) => { readonly root: Tensor; readonly offset: number };
}

/** Inserts copies where an input of a pack cannot be computed in place, and finds out which tensors lie inside others. */
export function layOut(nodes: readonly Node[]): Layout {
  const alias = new Map<Tensor, Alias>();
  const result: Node[] = [];
  const makerOf = new Map(nodes.flatMap((n) => n.outputs.map((t) => [t, n] as const)));
  for (const node of nodes) {
    if (node.op.memory === 'pack') {
      const sources = node.inputs.map((t) => wholeSource(t, makerOf));
      const moves = movable(sources, alias, makerOf);
      let offset = 0;
      for (const source of sources) {
        let inside = source;
        if (!moves.has(source)) {
          const copy = copyNode(source);
          result.push(copy);
          inside = copy.outputs[0]!;
        }
        alias.set(inside, { of: node.outputs[0]!, offset });
        offset += alignedSize(source.shape);
      }
    } else if (node.op.memory === 'view') {
      alias.set(node.outputs[0]!, { of: node.inputs[0]!, offset: (node.attrs as { offset: number }).offset });
    } else {
      for (let i = 0; i < (node.op.inPlace ?? 0); i++) alias.set(node.outputs[i]!, { of: node.inputs[i]!, offset: 0 });
    }
    result.push(node);
  }
  const homeOf = (t: Tensor): { root: Tensor; offset: number } => {
    let offset = 0;
    let root = t;
    for (let up = alias.get(root); up; up = alias.get(root)) {
      offset += up.offset;
      root = up.of;
    }
    return { root, offset };
  };
  return { nodes: result, homeOf };
}

/** WebGPU binds storage buffers at multiples of so many bytes. */
const BINDING_ALIGNMENT = 256;

interface Slot {
  readonly bytes: number;
  /** By offset. */
  readonly tenants: Storage[];
}

/** Where in a slot a storage finds room beside those that live at the same time; undefined where it finds none. */
function roomFor({ bytes, birth, death }: Storage, slot: Slot): number | undefined {
  let at = 0;
  for (const s of slot.tenants) {
    if (s.birth > death || birth > s.death) continue;
    if (s.offset - at >= bytes) break;
    at = Math.max(at, Math.ceil((s.offset + s.bytes) / BINDING_ALIGNMENT) * BINDING_ALIGNMENT);
  }
  return at + bytes <= slot.bytes ? at : undefined;
}

/**
 * Gives every storage without a home a place in a slot: the largest first, each into the first slot with room (arXiv 2001.03288, greedy by size), which
 * also holds none of its `foes`: a launch may not write to a buffer that it reads, be it elsewhere.
 */
function assignSlots(storages: readonly Storage[], foes: ReadonlyMap<Storage, ReadonlySet<Storage>>): number[] {
  const slots: Slot[] = [];
  const bySize = [...storages].sort((a, b) => b.bytes - a.bytes || a.birth - b.birth);
  for (const storage of bySize) {
    const barred = new Set([...(foes.get(storage) ?? [])].map((foe) => foe.slot));
    const found = slots.findIndex((slot, i) => {
      const room = barred.has(i) ? undefined : roomFor(storage, slot);
      storage.offset = room ?? 0;
      return room !== undefined;
    });
    storage.slot = found < 0 ? slots.length : found;
    if (found < 0) slots.push({ bytes: storage.bytes, tenants: [storage] });
    else insertByOffset(slots[found]!.tenants, storage);
  }
  return slots.map((s) => s.bytes);
}

function insertByOffset(tenants: Storage[], storage: Storage): void {
  const next = tenants.findIndex((s) => s.offset > storage.offset);
  tenants.splice(next < 0 ? tenants.length : next, 0, storage);
}

/** Largest sum of storages alive at one launch. */
function peak(storages: readonly Storage[], launches: number): number {
  const change = new Float64Array(launches + 1);
  for (const s of storages) {
    change[s.birth]! += s.bytes;
    change[s.death + 1]! -= s.bytes;
  }
  let live = 0;
  let most = 0;
  for (const delta of change) {
    live += delta;
    most = Math.max(most, live);
  }
  return most;
}

/**
 * Lifetimes and slots for `nodes` in this order. A storage's life includes the launch that makes it and the one that last
 * reads it. Tensors in `keep` outlive the run and share with nobody.
 */
export function planStorage(order: readonly Node[], keep: ReadonlySet<Tensor>): { nodes: Node[]; plan: Plan } {
  const { nodes, homeOf } = layOut(order);
  const storageOf = new Map<Tensor, Storage>();
  const storages: Storage[] = [];
  const kept = new Set<Storage>();

  const placeOf = (t: Tensor): Place => {
    const { root, offset } = homeOf(t);
    let storage = storageOf.get(root);
    if (!storage) {
      const leaf = root.node.op.memory === 'leaf' ? root.node : undefined;
      storage = { id: storages.length, bytes: byteSize(root), birth: Infinity, death: -1, offset: 0, ...(leaf && { leaf }) };
      storages.push(storage);
      storageOf.set(root, storage);
    }
    return { storage, offset };
  };

  const foes = new Map<Storage, Set<Storage>>();
  const part = (a: Storage, b: Storage): void => {
    for (const [one, other] of [[a, b], [b, a]] as const) foes.set(one, (foes.get(one) ?? new Set()).add(other));
  };
  let step = 0;
  for (const node of nodes) {
    if (!node.op.kernel) continue;
    const touched = [...node.inputs, ...node.outputs].map((t) => placeOf(t).storage);
    for (const storage of touched) {
      storage.birth = Math.min(storage.birth, step);
      storage.death = step;
    }
    for (const written of touched.slice(node.inputs.length)) {
      for (const other of touched) if (other !== written) part(written, other);
    }
    step++;
  }
  for (const t of keep) kept.add(placeOf(t).storage);
  const shared = storages.filter((s) => !s.leaf && !kept.has(s) && s.death >= 0);
  return { nodes, plan: { storages, slots: assignSlots(shared, foes), lowerBound: peak(shared, step), placeOf } };
}
