/**
 * Reads and writes the safetensors format (https://huggingface.co/docs/safetensors): eight bytes of header length, a JSON header
 * with every tensor's type, shape and place, then the bytes. Files are not trusted: everything in the header is checked first.
 */
import { CheckpointFileError, shown } from './errors.js';
import { boundedJson, isCount, isObject } from './json.js';
import { elementTypes, toFloat32 } from './numbers.js';
import { elementsOf, MAX_RANK, unreadable, whyNoType, type StoredTensor } from './tensors.js';
import { toHalves } from '../../engine/index.js';

/** A named float32 tensor read from a checkpoint. */
export interface Weight {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Parameters under the checkpoint's own keys (DINO's and timm's: `blocks.0.attn.qkv.weight`). */
export type Weights = ReadonlyMap<string, Weight>;

export interface Safetensors {
  /** F32 tensors are views of the file's bytes if their alignment allows it. */
  readonly tensors: Map<string, Weight>;
  readonly metadata: Map<string, string>;
}

type Entry = Readonly<ReturnType<typeof readEntry>>;

const METADATA = '__metadata__';
/** A hundred bytes per tensor are usual. */
const MAX_HEADER = 2_000_000;
const MAX_NAME = 1000;

const wrong = (what: string): CheckpointFileError => new CheckpointFileError(`safetensors: ${what}`);

/** @throws CheckpointFileError when the bytes are not a whole, consistent file of types this project reads */
export function parseSafetensors(bytes: Uint8Array): Safetensors {
  const { tensors, metadata } = openSafetensors(bytes);
  return { tensors: new Map([...tensors].map(([name, { shape, read }]) => [name, { shape, data: read() }])), metadata };
}

/** As `parseSafetensors`, but no tensor is read yet. @throws CheckpointFileError for the same reasons */
export function openSafetensors(bytes: Uint8Array): { tensors: Map<string, StoredTensor>; metadata: Map<string, string> } {
  const { header, dataStart } = readHeader(bytes);
  const metadata = readMetadata(header[METADATA]);
  const entries = Object.keys(header).filter((name) => name !== METADATA).map((name) => readEntry(name, header[name]));
  checkLayout(entries, bytes.byteLength - dataStart);
  const data = bytes.subarray(dataStart);
  const tensors = entries.map(({ name, dtype, shape, begin, end }): [string, StoredTensor] => [name, elementTypes.has(dtype)
    ? { shape, dtype, read: () => toFloat32(data.subarray(begin, end), dtype, elementsOf(shape)) }
    : unreadable(whyNoType(dtype), shape, dtype)]);
  return { tensors: new Map(tensors), metadata };
}

/** Storage of the elements; F16 halves the file and keeps three digits. */
export type StoredType = 'F32' | 'F16';

/** The bytes of a file with `tensors` as `dtype`, the header padded so that the data is aligned to 8 bytes. */
export function serializeSafetensors(
  tensors: ReadonlyMap<string, Weight>, metadata: Readonly<Record<string, string>> = {}, dtype: StoredType = 'F32',
): Uint8Array {
  const header: [string, unknown][] = Object.keys(metadata).length > 0 ? [[METADATA, metadata]] : [];
  const parts: Uint8Array[] = [];
  let size = 0;
  for (const [name, { shape, data }] of tensors) {
    if (name === METADATA) throw wrong(`a tensor cannot be called ${METADATA}`);
    if (data.length !== elementsOf(shape)) throw wrong(`${name} has ${data.length} values, its shape is [${shape.join(', ')}]`);
    const stored = dtype === 'F32' ? data : toHalves(data);
    header.push([name, { dtype, shape, data_offsets: [size, size + stored.byteLength] }]);
    parts.push(new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength));
    size += stored.byteLength;
  }
  const text = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const headerSize = Math.ceil(text.length / 8) * 8;
  const bytes = new Uint8Array(8 + headerSize + size).fill(0x20, 8, 8 + headerSize);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerSize), true);
  bytes.set(text, 8);
  let place = 8 + headerSize;
  for (const part of parts) {
    bytes.set(part, place);
    place += part.byteLength;
  }
  return bytes;
}

function readHeader(bytes: Uint8Array): { header: Record<string, unknown>; dataStart: number } {
  if (bytes.byteLength < 8) throw new CheckpointFileError(`not a safetensors file: ${bytes.byteLength} bytes are too few`);
  const length = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(bytes.byteLength - 8)) {
    const claim = `its header claims ${length} bytes, the file has ${bytes.byteLength}`;
    throw new CheckpointFileError(`not a safetensors file, or cut short: ${claim}`);
  }
  const dataStart = 8 + Number(length);
  const header = boundedJson(bytes.subarray(8, dataStart), 'not a safetensors file, or damaged: its header', MAX_HEADER);
  if (!isObject(header)) throw new CheckpointFileError('not a safetensors file: its header is not a JSON object');
  return { header, dataStart };
}

function readMetadata(value: unknown): Map<string, string> {
  if (value === undefined) return new Map();
  if (!isObject(value)) throw wrong(`${METADATA} is not an object`);
  return new Map(Object.entries(value).map(([key, text]) => {
    if (typeof text !== 'string') throw wrong(`${METADATA}.${shown(key)} is not a string`);
    return [key, text];
  }));
}

/** @throws CheckpointFileError naming what of the entry `name` is wrong */
function readEntry(name: string, value: unknown) {
  const length = name.length;
  if (length > MAX_NAME) throw wrong(`a tensor is called ${shown(name)}, ${length} characters: at most ${MAX_NAME} are read`);
  if (!isObject(value)) throw wrong(`the entry of ${shown(name)} is not an object`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string') throw wrong(`the type of ${shown(name)} is not a text`);
  if (!isSizes(shape) || shape.length > MAX_RANK) throw wrong(`the shape of ${shown(name)} is not a list of sizes`);
  if (!isSizes(offsets) || offsets.length !== 2) throw wrong(`the offsets of ${shown(name)} are not two positions`);
  const [begin, end] = offsets as [number, number];
  const type = elementTypes.get(dtype);
  const expected = type ? elementsOf(shape) * type.bytes : Math.max(0, end - begin);
  if (end - begin !== expected) {
    const sizes = `${shown(dtype)} [${shown(shape.join(', '))}], ${expected} bytes`;
    throw wrong(`${shown(name)} is ${sizes}, but its offsets hold ${end - begin}`);
  }
  return { name, dtype, shape, begin, end };
}

/** Tensors must fill the file exactly, one after the other: no overlap, no gap, nothing beyond the end. */
function checkLayout(entries: readonly Entry[], size: number): void {
  let place = 0;
  for (const { name, begin, end } of [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (end > size) throw wrong(`${shown(name)} ends at byte ${end}, the file holds ${size}: it is cut short`);
    if (begin < place) throw wrong(`${shown(name)} overlaps the tensor before it`);
    if (begin > place) throw wrong(`${begin - place} bytes before ${shown(name)} belong to no tensor`);
    place = end;
  }
  if (place !== size) throw wrong(`${size - place} bytes at the end belong to no tensor`);
}

const isSizes = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every(isCount);
