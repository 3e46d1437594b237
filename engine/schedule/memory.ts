/**
 * Memory of all tensors, in three passes: aliases (tensors inside other tensors), lifetimes (the storages that remain and the
 * launches that use them), places (storages in slots, the buffers that they share at different times or offsets). Pure.
 */
import { getOrInsert, sizeOf, type Dtype, type Node, type Tensor } from '../graph/index.js';
import { copyNode } from '../ops/copy.js';
import { alignedSize } from '../ops/view.js';

/** A piece of memory that one or more tensors share. */
export interface Storage {
  readonly id: number;
  /** Rounded up to 16, so that a tensor can be bound as vectors of four. */
  readonly bytes: number;
  /** The input, parameter or constant whose memory this is. */
  readonly leaf?: Node;
  /** First and last launch that uses it. */
  readonly birth: number;
  readonly death: number;
  /** The slot that it is in; absent for leaves and for outputs that outlive the run. */
  readonly slot?: number;
  /** Bytes from the start of its buffer. */
  readonly offset: number;
  /** Storages that must not share its slot, whenever they are alive: a launch cannot write to a buffer that it reads. */
  readonly conflicts: ReadonlySet<Storage>;
}

export interface Plan {
  readonly storages: readonly Storage[];
  /** Bytes of each slot, largest first. */
  readonly slots: readonly number[];
  /** Largest sum of tensors alive at one launch: no plan can need less. */
  readonly lowerBound: number;
  /** Storage of a tensor, and its offset there in elements; undefined for a tensor that no launch uses. */
  readonly placeOf: (t: Tensor) => { readonly storage: Storage; readonly offset: number } | undefined;
}

const ITEM_BYTES: Readonly<Record<Dtype, number>> = { f32: 4, f16: 2 };

/** Bytes of one element. */
export const itemSize = ({ dtype }: { readonly dtype: Dtype }): number => ITEM_BYTES[dtype];

export const byteSize = (t: Pick<Tensor, 'shape' | 'dtype'>): number => Math.ceil((sizeOf(t.shape) * itemSize(t)) / 16) * 16;

type MakerOf = ReadonlyMap<Tensor, Node>;
/** The tensor whose memory a tensor is part of (itself if of no other), and the offset there in elements. */
type RootOf = (t: Tensor) => { readonly root: Tensor; readonly offset: number };

/** Follows views that rename a whole tensor to the tensor that they rename. */
function wholeSource(t: Tensor, makerOf: MakerOf): Tensor {
  const { op, inputs, attrs } = makerOf.get(t)!;
  if (op.memory !== 'view') return t;
  const isWhole = (attrs as { offset: number }).offset === 0 && sizeOf(inputs[0]!.shape) === sizeOf(t.shape);
  return isWhole ? wholeSource(inputs[0]!, makerOf) : t;
}

/**
 * Inputs of a pack that can be computed inside it: made by a launch that does not overwrite, in no pack yet, listed once.
 * No launch that makes another input and no copy into this pack may read them: a launch cannot read and write one buffer.
 */
function movable(sources: readonly Tensor[], makerOf: MakerOf, rootOf: RootOf): Set<Tensor> {
  const candidates = new Set(sources.filter((t) => {
    const { op, outputs } = makerOf.get(t)!;
    const isWritten = op.kernel !== undefined && (op.inPlace ?? 0) <= outputs.indexOf(t);
    return isWritten && rootOf(t).root === t && sources.indexOf(t) === sources.lastIndexOf(t);
  }));
  const read = sources.flatMap((t) => (candidates.has(t) ? makerOf.get(t)!.inputs : [t])).map((t) => rootOf(t).root);
  for (const t of read) candidates.delete(t);
  return candidates;
}

/** First pass: the nodes, with copies of pack inputs that cannot be computed inside, and the tensors that are part of others. */
export function findAliases(nodes: readonly Node[]): { readonly nodes: Node[]; readonly rootOf: RootOf } {
  const aliases = new Map<Tensor, { readonly of: Tensor; readonly offset: number }>();
  const rootOf: RootOf = (t) => {
    const alias = aliases.get(t);
    if (!alias) return { root: t, offset: 0 };
    const { root, offset } = rootOf(alias.of);
    return { root, offset: offset + alias.offset };
  };
  const result: Node[] = [];
  const makerOf = new Map(nodes.flatMap((n) => n.outputs.map((t) => [t, n] as const)));
  const fillPack = ({ inputs, outputs: [of] }: Node): void => {
    const sources = inputs.map((t) => wholeSource(t, makerOf));
    const moved = movable(sources, makerOf, rootOf);
    let offset = 0;
    for (const source of sources) {
      const copy = moved.has(source) ? undefined : copyNode(source);
      if (copy) result.push(copy);
      aliases.set(copy?.outputs[0] ?? source, { of: of!, offset });
      offset += alignedSize(source.shape);
    }
  };
  for (const node of nodes) {
    const { op: { memory, inPlace = 0 }, attrs, inputs, outputs } = node;
    if (memory === 'pack') fillPack(node);
    if (memory === 'view') aliases.set(outputs[0]!, { of: inputs[0]!, offset: (attrs as { offset: number }).offset });
    outputs.slice(0, inPlace).forEach((t, i) => aliases.set(t, { of: inputs[i]!, offset: 0 }));
    result.push(node);
  }
  return { nodes: result, rootOf };
}

/** A storage while it is planned. */
type Draft = { -readonly [K in keyof Storage]: K extends 'conflicts' ? Set<Storage> : Storage[K] };

/** Second pass: storages by their roots. A storage's life includes the launch that makes it and the one that reads it last. */
function findLifetimes(launches: readonly Node[], rootOf: RootOf, keep: Iterable<Tensor>): Map<Tensor, Draft> {
  const storages = new Map<Tensor, Draft>();
  const storageOf = (t: Tensor): Draft => {
    const { root } = rootOf(t);
    return getOrInsert(storages, root, () => {
      const leaf = root.node.op.memory === 'leaf' && { leaf: root.node };
      return { id: storages.size, bytes: byteSize(root), birth: Infinity, death: -1, offset: 0, conflicts: new Set(), ...leaf };
    });
  };
  for (const [step, { inputs, outputs }] of launches.entries()) {
    const used = [...inputs, ...outputs].map(storageOf);
    for (const storage of used) {
      storage.birth = Math.min(storage.birth, step);
      storage.death = step;
    }
    for (const written of used.slice(inputs.length)) {
      for (const other of used.filter((s) => s !== written)) {
        written.conflicts.add(other);
        other.conflicts.add(written);
      }
    }
  }
  for (const t of keep) storageOf(t);
  return storages;
}

/** WebGPU binds storage buffers at multiples of this many bytes. */
const BINDING_ALIGNMENT = 256;

/** A slot's storages by offset; the first is the largest and has the slot's size. */
type Slot = Storage[];

/** The first free offset in a slot during the storage's life; undefined if there is none, or if the slot holds a conflict. */
function roomFor({ bytes, birth, death, conflicts }: Storage, slot: Slot): number | undefined {
  if (slot.some((s) => conflicts.has(s))) return undefined;
  let at = 0;
  for (const s of slot) {
    if (s.birth > death || birth > s.death) continue;
    if (s.offset - at >= bytes) break;
    at = Math.max(at, Math.ceil((s.offset + s.bytes) / BINDING_ALIGNMENT) * BINDING_ALIGNMENT);
  }
  return at + bytes <= slot[0]!.bytes ? at : undefined;
}

/**
 * Third pass: sets slot and offset of each storage, the largest first, each in the first slot with room (greedy by size,
 * https://arxiv.org/abs/2001.03288). Returns the bytes of the slots.
 */
function assignPlaces(storages: readonly Draft[]): number[] {
  const slots: Slot[] = [];
  const bySize = [...storages].sort((a, b) => b.bytes - a.bytes || a.birth - b.birth);
  for (const storage of bySize) {
    const found = slots.findIndex((slot) => roomFor(storage, slot) !== undefined);
    const slot = found < 0 ? [] : slots[found]!;
    storage.slot = found < 0 ? slots.push(slot) - 1 : found;
    storage.offset = found < 0 ? 0 : roomFor(storage, slot)!;
    slot.push(storage);
    slot.sort((a, b) => a.offset - b.offset);
  }
  return slots.map(([largest]) => largest!.bytes);
}

/** Bytes of all storages that are alive at a launch. */
const liveBytes = (storages: readonly Storage[], step: number): number =>
  storages.reduce((sum, s) => sum + (s.birth <= step && step <= s.death ? s.bytes : 0), 0);

/** Plans memory for `order`, adding the copies that packs need. Tensors in `keep` outlive the run: no slot holds them. */
export function planStorage(order: readonly Node[], keep: ReadonlySet<Tensor>): { nodes: Node[]; plan: Plan } {
  const { nodes, rootOf } = findAliases(order);
  const launches = nodes.filter((n) => n.op.kernel);
  const storages = findLifetimes(launches, rootOf, keep);
  const kept = new Set([...keep].map((t) => storages.get(rootOf(t).root)));
  const shared = [...storages.values()].filter((s) => !s.leaf && !kept.has(s));
  const placeOf: Plan['placeOf'] = (t) => {
    const { root, offset } = rootOf(t);
    const storage = storages.get(root);
    return storage && { storage, offset };
  };
  const slots = assignPlaces(shared);
  const lowerBound = Math.max(0, ...launches.map((_, step) => liveBytes(shared, step)));
  return { nodes, plan: { storages: [...storages.values()], slots, lowerBound, placeOf } };
}
