/**
 * Reads what torch.save and torch.jit.save write: a zip archive with a pickle and one file per storage
 * (https://pytorch.org/docs/stable/notes/serialization.html), or the stream of pickles from before PyTorch 1.6.
 */
import { CheckpointFileError, shown } from './errors.js';
import { elementTypes } from './numbers.js';
import { Fields, unpickle } from './pickle.js';
import { checkTotal, type Storage, type StoredTensor } from './tensors.js';
import { StorageType, StorageValue, TensorValue, torchName } from './torchNames.js';
import { openZip, type ZipArchive } from './zip.js';

/** Returns a storage's bytes by its key; called when a tensor is read. */
type Locate = (key: string) => Uint8Array;

/** A pickle's reference to a storage. `view` occurs in legacy streams: a part of the storage under its own name. */
interface StorageId {
  readonly key: string;
  readonly dtype: string;
  readonly count: number;
  readonly view: { readonly offset: number; readonly count: number } | undefined;
}

/** All tensors of a zip archive by their path through dicts and modules: `model.norm.weight`. @throws CheckpointFileError */
export function openTorchZip(bytes: Uint8Array): Map<string, StoredTensor> {
  const archive = openZip(bytes);
  const root = rootOf(archive);
  checkByteOrder(archive, root);
  const known = new Map<string, Uint8Array>();
  const locate: Locate = (key) => {
    const data = known.get(key) ?? archive.read(`${root}/data/${key}`);
    known.set(key, data);
    return data;
  };
  const host = { global: torchName, persistent: (id: unknown) => storageOf(parseId(id), locate) };
  const { value } = unpickle(archive.read(`${root}/data.pkl`), host);
  return tensorsIn(value, bytes.length);
}

/** The folder that holds everything, named after the file that was saved. */
function rootOf({ names }: ZipArchive): string {
  const pickle = names.find((name) => /^[^/]+\/data\.pkl$/.test(name));
  if (pickle) return pickle.slice(0, -'/data.pkl'.length);
  const found = shown(names.slice(0, 3).join(', ') || 'no files');
  throw new CheckpointFileError(`the archive has no data.pkl: it was not written by torch.save (it has ${found})`);
}

function checkByteOrder({ names, read }: ZipArchive, root: string): void {
  const name = `${root}/byteorder`;
  if (names.includes(name) && new TextDecoder().decode(read(name).subarray(0, 8)).trim() === 'big') throw bigEndian();
}

const bigEndian = (): CheckpointFileError =>
  new CheckpointFileError('it was saved on a big-endian machine: save it again on a common one');

/** The first pickle of a legacy stream: a number of 80 bits, PyTorch's mark. */
const LEGACY_MAGIC = [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e] as const;
const LEGACY_PROTOCOL = 1001;

export const isLegacyTorch = (bytes: Uint8Array): boolean => LEGACY_MAGIC.every((byte, i) => bytes[i] === byte);

/**
 * All tensors of a legacy stream: magic, protocol, system, the object, the storages' keys, then each storage's length and bytes.
 * @throws CheckpointFileError
 */
export function openLegacyTorch(bytes: Uint8Array): Map<string, StoredTensor> {
  const storages = new Map<string, StorageId>();
  const places = new Map<string, Uint8Array>();
  const locate: Locate = (key) => {
    const place = places.get(key);
    if (!place) throw new CheckpointFileError(`storage ${shown(key)} is not in the file`);
    return place;
  };
  const persistent = (id: unknown): StorageValue => {
    const parsed = parseId(id);
    storages.set(parsed.key, parsed);
    return storageOf(parsed, locate);
  };
  const host = { global: torchName, persistent };
  const next = (at: number) => unpickle(bytes, host, at);
  const protocol = next(LEGACY_MAGIC.length);
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
    if (!id || places.has(id.key)) {
      throw new CheckpointFileError('the list of storages names one twice, or one that no tensor uses');
    }
    const name = `storage ${shown(id.key)}`;
    const size = id.count * elementTypes.get(id.dtype)!.bytes;
    if (at + 8 + size > bytes.length) throw new CheckpointFileError(`${name} ends beyond the file: it is cut short or damaged`);
    const length = Number(view.getBigInt64(at, true));
    if (length !== id.count) throw new CheckpointFileError(`${name} has a different length from the one its tensors expect`);
    places.set(id.key, bytes.subarray(at + 8, at + 8 + size));
    at += 8 + size;
  }
}

/** `('storage', type, key, device, count)`, in a legacy stream followed by `None` or `(key, offset, count)`. */
function parseId(id: unknown): StorageId {
  const [kind, type, key, , count, view] = Array.isArray(id) ? (id as unknown[]) : [];
  if (kind !== 'storage' || !(type instanceof StorageType) || typeof key !== 'string' || !isCount(count)) {
    throw new CheckpointFileError('the pickle refers to something outside of it that is not a storage');
  }
  return { key, dtype: type.dtype, count, view: parseView(view, count) };
}

function parseView(view: unknown, count: number): StorageId['view'] {
  if (view === undefined || view === null) return undefined;
  const [, offset, size] = Array.isArray(view) ? (view as unknown[]) : [];
  if (isCount(offset) && isCount(size) && offset + size <= count) return { offset, count: size };
  throw new CheckpointFileError('the pickle has a part of a storage that reaches beyond it');
}

function storageOf({ key, dtype, count, view }: StorageId, locate: Locate): StorageValue {
  const step = elementTypes.get(dtype)!.bytes;
  const storage: Storage = {
    dtype,
    count: view?.count ?? count,
    bytes: () => {
      const data = locate(key);
      if (data.length >= count * step) return view ? data.subarray(view.offset * step) : data;
      const sizes = `${data.length} bytes, ${count * step} are expected`;
      throw new CheckpointFileError(`storage ${shown(key)} has ${sizes}: the file is damaged`);
    },
  };
  return new StorageValue(storage);
}

/** Objects may be shared, so a small pickle can describe a tree of any size: depth, names and number of values are limited. */
const MAX_DEPTH = 24;
const MAX_NAME = 512;
const MAX_VISITS = 50_000;

/** All tensors below `root` by their path. Those in lists and tuples belong to optimisers and are left out. */
function tensorsIn(root: unknown, fileBytes: number): Map<string, StoredTensor> {
  const found = new Map<string, StoredTensor>();
  let visits = 0;
  const walk = (value: unknown, name: string, depth: number): void => {
    if (++visits > MAX_VISITS || depth > MAX_DEPTH || name.length > MAX_NAME) {
      throw new CheckpointFileError('its dicts are nested too deep, or contain one another');
    }
    if (value instanceof TensorValue) {
      if (found.has(name)) throw new CheckpointFileError(`it has two tensors ${shown(name)}`);
      found.set(name, value.tensor);
    }
    const children = value instanceof Map ? value : value instanceof Fields ? value.values : [];
    for (const [key, child] of children) {
      const isName = typeof key === 'string' || typeof key === 'number';
      if (isName) walk(child, name === '' ? String(key) : `${name}.${key}`, depth + 1);
    }
  };
  walk(root, '', 0);
  checkTotal(found, fileBytes);
  return found;
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
