/**
 * Reads what torch.save and torch.jit.save write: a zip archive with a pickle and one file per storage
 * (https://pytorch.org/docs/stable/notes/serialization.html), or the stream of pickles from before PyTorch 1.6.
 */
import { CheckpointFileError, shown } from './errors.js';
import { isCount } from './json.js';
import { unpickle } from './pickle.js';
import { StandIn } from './standIn.js';
import { unreadable, withinFile, type Storage, type StoredTensor, type StoredTensors } from './tensors.js';
import { StorageType, StorageValue, TensorValue, torchName, whyNoTensor } from './torchNames.js';
import { openZip, type ZipArchive } from './zip.js';

/** Returns a storage's bytes by its key; called when a tensor is read. */
type Locate = (key: string) => Uint8Array;

/** A pickle's reference to a storage. `view` occurs in legacy streams: a part of the storage under its own name. */
interface StorageId {
  readonly key: string;
  readonly type: StorageType;
  readonly count: number;
  readonly view: { readonly offset: number; readonly count: number } | undefined;
}

/** All tensors of a zip archive by their path through dicts and modules: `model.norm.weight`. @throws CheckpointFileError */
export function openTorchZip(bytes: Uint8Array): StoredTensors {
  const archive = openZip(bytes);
  const root = rootOf(archive);
  checkByteOrder(archive, root);
  const known = new Map<string, Uint8Array>();
  const locate: Locate = (key) => {
    const data = known.get(key) ?? archive.read(`${root}/data/${key}`);
    known.set(key, data);
    return data;
  };
  const host = { global: torchName, persistent: (id: unknown) => outside(id, locate) };
  const { value } = unpickle(archive.read(`${root}/data.pkl`), host);
  return tensorsIn(value, bytes.length);
}

const CHECKPOINT = 'give the file of a checkpoint';

/** The folder that holds everything, named after the file that was saved. */
function rootOf({ names }: ZipArchive): string {
  const pickle = names.find((name) => /^[^/]+\/data\.pkl$/.test(name));
  if (pickle) return pickle.slice(0, -'/data.pkl'.length);
  const found = shown(names.slice(0, 3).join(', ') || 'no files');
  throw new CheckpointFileError(`the archive has no data.pkl: it was not written by torch.save (it has ${found})`, CHECKPOINT);
}

function checkByteOrder({ names, read }: ZipArchive, root: string): void {
  const name = `${root}/byteorder`;
  if (names.includes(name) && new TextDecoder().decode(read(name).subarray(0, 8)).trim() === 'big') throw bigEndian();
}

const bigEndian = (): CheckpointFileError =>
  new CheckpointFileError('it was saved on a big-endian machine', 'save it again on a common one');

/** The first pickle of a legacy stream, a number of 80 bits. Protocols 0 and 1 write digits, 4 and 5 put it into a frame. */
const LEGACY_MAGIC =
  /^(?:\x80[\x02-\x05](?:\x95[^]{8})?\x8a\x0a\x6c\xfc\x9c\x46\xf9 j\xa8\x50\x19|L119547037146038801333356L\n)\./;
const LEGACY_PROTOCOL = 1001;

/** Bytes of the mark at the beginning of a legacy stream, 0 for anything else. */
export const legacyMark = (bytes: Uint8Array): number =>
  LEGACY_MAGIC.exec(String.fromCharCode(...bytes.subarray(0, 40)))?.[0].length ?? 0;

/**
 * All tensors of a legacy stream: magic, protocol, system, the object, the storages' keys, then each storage's length and bytes.
 * @throws CheckpointFileError
 */
export function openLegacyTorch(bytes: Uint8Array): StoredTensors {
  const storages = new Map<string, StorageId>();
  const places = new Map<string, Uint8Array>();
  const locate: Locate = (key) => {
    const place = places.get(key);
    if (!place) throw new CheckpointFileError(`storage ${shown(key)} is not in the file, or behind one of an unknown type`);
    return place;
  };
  const persistent = (id: unknown): unknown => outside(id, locate, (storage) => storages.set(storage.key, storage));
  const host = { global: torchName, persistent };
  const next = (at: number) => unpickle(bytes, host, at);
  const protocol = next(legacyMark(bytes));
  if (protocol.value !== LEGACY_PROTOCOL) throw new CheckpointFileError(`the stream's protocol is not ${LEGACY_PROTOCOL}`);
  const system = next(protocol.end);
  if (system.value instanceof Map && system.value.get('little_endian') === false) throw bigEndian();
  const object = next(system.end);
  const keys = next(object.end);
  placeStorages(bytes, keys.end, keys.value, storages, places);
  return tensorsIn(object.value, bytes.length);
}

/** Finds the storages' bytes from `begin` on and adds them to `places`. */
function placeStorages(
  bytes: Uint8Array, begin: number, keys: unknown, storages: ReadonlyMap<string, StorageId>, places: Map<string, Uint8Array>,
): void {
  if (!Array.isArray(keys)) throw new CheckpointFileError('the stream has no list of storages');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = begin;
  for (const key of keys as unknown[]) {
    const id = typeof key === 'string' ? storages.get(key) : undefined;
    if (!id) return; // its size is not known, so nothing behind it can be found
    if (places.has(id.key)) throw new CheckpointFileError('the list of storages names one twice');
    const name = `storage ${shown(id.key)}`;
    const size = id.count * id.type.bytes;
    if (at + 8 + size > bytes.length) throw new CheckpointFileError(`${name} ends beyond the file: it is cut short or damaged`);
    const length = Number(view.getBigInt64(at, true));
    if (length !== id.count) throw new CheckpointFileError(`${name} has a different length from the one its tensors expect`);
    places.set(id.key, bytes.subarray(at + 8, at + 8 + size));
    at += 8 + size;
  }
}

/**
 * What a pickle refers to outside of itself: a storage, or in old files the class of a module, which comes with its source text.
 * @param onStorage told about each storage
 */
function outside(id: unknown, locate: Locate, onStorage: (storage: StorageId) => void = () => undefined): unknown {
  const storage = parseId(id);
  if (storage) onStorage(storage);
  if (storage) return storageOf(storage, locate);
  const [kind, value] = Array.isArray(id) ? (id as unknown[]) : [];
  return kind === 'module' && value instanceof StandIn ? value : new StandIn('something outside of the pickle, not a storage');
}

/** `('storage', type, key, device, count)`, in a legacy stream followed by `None` or `(key, offset, count)`. */
function parseId(id: unknown): StorageId | undefined {
  const [kind, type, key, , count, view] = Array.isArray(id) ? (id as unknown[]) : [];
  if (kind !== 'storage' || !(type instanceof StorageType) || typeof key !== 'string' || !isCount(count)) return undefined;
  const part = parseView(view, count);
  return part === null ? undefined : { key, type, count, view: part };
}

/** Undefined without a view, null for one that reaches beyond the storage. */
function parseView(view: unknown, count: number): StorageId['view'] | null {
  if (view === undefined || view === null) return undefined;
  const [, offset, size] = Array.isArray(view) ? (view as unknown[]) : [];
  return isCount(offset) && isCount(size) && offset + size <= count ? { offset, count: size } : null;
}

function storageOf({ key, type, count, view }: StorageId, locate: Locate): StorageValue {
  const storage: Storage = {
    dtype: type.dtype,
    count: view?.count ?? count,
    bytes: () => {
      const data = locate(key);
      if (data.length >= count * type.bytes) return view ? data.subarray(view.offset * type.bytes) : data;
      const sizes = `${data.length} bytes, ${count * type.bytes} are expected`;
      throw new CheckpointFileError(`storage ${shown(key)} has ${sizes}: the file is damaged`);
    },
  };
  return new StorageValue(storage);
}

const MAX_NAME = 512;
/** The same tensor may have many names in a hostile file. */
const MAX_TENSORS = 50_000;

/**
 * All tensors below `root` by their path through dicts, objects, lists and tuples, those near the top first. An object is entered
 * once, so that neither circles nor shared parts cost anything.
 */
function tensorsIn(root: unknown, fileBytes: number): StoredTensors {
  const found = new Map<string, StoredTensor>();
  const others = new Map<string, string>();
  const seen = new Set<unknown>([root]);
  const queue: [name: string, value: unknown][] = [['', root]];
  for (const [name, value] of queue) {
    if (value instanceof TensorValue) add(found, name, value.tensor);
    if (value instanceof StandIn) others.set(name, whyNoTensor(value));
    if (found.size > MAX_TENSORS) throw new CheckpointFileError(`it has more than ${MAX_TENSORS} tensors`, ALONE);
    for (const [key, child] of childrenOf(value)) {
      const path = pathOf(name, key);
      if (path.length > MAX_NAME || seen.has(child)) continue;
      if (!(child instanceof TensorValue)) seen.add(child);
      queue.push([path, child]);
    }
  }
  if (!(root instanceof StandIn) || found.size > 0) return Object.assign(withinFile(found, fileBytes), { others });
  const problem = `instead of weights it asks for the Python object ${shown(root.name)}, so nothing was read and nothing was run`;
  throw new CheckpointFileError(problem, 'if it is a whole model, save its state_dict() instead');
}

const ALONE = 'save a state_dict() alone';

function add(found: Map<string, StoredTensor>, name: string, tensor: StoredTensor): void {
  const other = found.get(name);
  found.set(name, other && other !== tensor ? unreadable('there twice: save one of the two alone') : tensor);
}

/** The parts of a module do not count: its parameters have the names that they have in its state_dict(). */
const pathOf = (name: string, key: string): string =>
  (/^_(modules|parameters|buffers)$/.test(key) ? name : name === '' ? key : `${name}.${key}`);

/** Objects in an object, with their names or numbers. */
function* childrenOf(value: unknown): Generator<[key: string, child: object]> {
  const containers: unknown[] = value instanceof StandIn ? [value.items, value.state, value.elements, value.args] : [value];
  // With __slots__, the state is a pair of dicts.
  if (value instanceof StandIn && Array.isArray(value.state)) containers.push(...(value.state as unknown[]).slice(0, 2));
  for (const container of containers) {
    if (!(container instanceof Map || Array.isArray(container))) continue;
    for (const [key, child] of container.entries()) {
      const isName = typeof key === 'string' || typeof key === 'number';
      if (isName && typeof child === 'object' && child !== null) yield [String(key), child as object];
    }
  }
}
