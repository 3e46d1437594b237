/**
 * Reads and writes the safetensors format (https://huggingface.co/docs/safetensors): eight bytes of header length, a JSON header
 * with every tensor's type, shape and place, then the bytes. Files come from strangers, so nothing in the header is believed
 * before it is checked.
 */
import type { Weight } from './vit/config.js';

export interface Safetensors {
  readonly tensors: Map<string, Weight>;
  readonly metadata: Map<string, string>;
}

/** The file is not what the format says; the message tells where. */
export class SafetensorsError extends Error {
  override readonly name = 'SafetensorsError';
}

interface Entry {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

type Read = (view: DataView, byte: number) => number;

/** How one element of each stored type becomes a number. F32, nearly every file, is copied whole instead. */
const readers: ReadonlyMap<string, { bytes: number; read: Read }> = new Map(
  Object.entries({
    F64: { bytes: 8, read: (view: DataView, i: number) => view.getFloat64(i, true) },
    F32: { bytes: 4, read: (view: DataView, i: number) => view.getFloat32(i, true) },
    F16: { bytes: 2, read: (view: DataView, i: number) => fromHalf(view.getUint16(i, true)) },
    BF16: { bytes: 2, read: (view: DataView, i: number) => fromBrainFloat(view.getUint16(i, true)) },
    I64: { bytes: 8, read: (view: DataView, i: number) => Number(view.getBigInt64(i, true)) },
    I32: { bytes: 4, read: (view: DataView, i: number) => view.getInt32(i, true) },
    U8: { bytes: 1, read: (view: DataView, i: number) => view.getUint8(i) },
    BOOL: { bytes: 1, read: (view: DataView, i: number) => view.getUint8(i) },
  }),
);

const METADATA = '__metadata__';
/** The reference implementation's own bound on the header. */
const MAX_HEADER = 100_000_000;

/** @throws SafetensorsError when the bytes are not a whole, consistent file of types this project reads */
export function parseSafetensors(bytes: Uint8Array): Safetensors {
  const { header, dataStart } = readHeader(bytes);
  const metadata = readMetadata(header[METADATA]);
  const entries = Object.keys(header)
    .filter((name) => name !== METADATA)
    .map((name) => readEntry(name, header[name]));
  checkLayout(entries, bytes.byteLength - dataStart);
  const data = bytes.subarray(dataStart);
  return { tensors: new Map(entries.map((entry) => [entry.name, readTensor(entry, data)])), metadata };
}

/** The bytes of a file with `tensors` as F32, the header padded so that the data is aligned to 8 bytes. */
export function serializeSafetensors(tensors: ReadonlyMap<string, Weight>, metadata: Readonly<Record<string, string>> = {}): Uint8Array {
  const header: [string, unknown][] = Object.keys(metadata).length > 0 ? [[METADATA, metadata]] : [];
  let size = 0;
  for (const [name, { shape, data }] of tensors) {
    if (name === METADATA) throw new SafetensorsError(`safetensors: a tensor cannot be called ${METADATA}`);
    if (data.length !== product(shape)) throw new SafetensorsError(`safetensors: ${name} has ${data.length} values, its shape is [${shape.join(', ')}]`);
    header.push([name, { dtype: 'F32', shape, data_offsets: [size, size + data.byteLength] }]);
    size += data.byteLength;
  }
  const text = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const headerSize = Math.ceil(text.length / 8) * 8;
  const bytes = new Uint8Array(8 + headerSize + size).fill(0x20, 8, 8 + headerSize);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerSize), true);
  bytes.set(text, 8);
  let place = 8 + headerSize;
  for (const { data } of tensors.values()) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), place);
    place += data.byteLength;
  }
  return bytes;
}

function readHeader(bytes: Uint8Array): { header: Record<string, unknown>; dataStart: number } {
  if (bytes.byteLength < 8) throw new SafetensorsError(`not a safetensors file: ${bytes.byteLength} bytes are too few`);
  const length = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(Math.min(MAX_HEADER, bytes.byteLength - 8))) {
    throw new SafetensorsError(`not a safetensors file, or cut short: its header claims ${length} bytes, the file has ${bytes.byteLength}`);
  }
  const dataStart = 8 + Number(length);
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, dataStart)));
  } catch {
    throw new SafetensorsError('not a safetensors file: its header is not JSON');
  }
  if (!isObject(header)) throw new SafetensorsError('not a safetensors file: its header is not a JSON object');
  return { header, dataStart };
}

function readMetadata(value: unknown): Map<string, string> {
  if (value === undefined) return new Map();
  if (!isObject(value)) throw new SafetensorsError(`safetensors: ${METADATA} is not an object`);
  return new Map(
    Object.entries(value).map(([key, text]) => {
      if (typeof text !== 'string') throw new SafetensorsError(`safetensors: ${METADATA}.${key} is not a string`);
      return [key, text];
    }),
  );
}

function readEntry(name: string, value: unknown): Entry {
  if (!isObject(value)) throw new SafetensorsError(`safetensors: the entry of ${name} is not an object`);
  const { dtype, shape, data_offsets: offsets } = value;
  const reader = typeof dtype === 'string' ? readers.get(dtype) : undefined;
  if (!reader) throw new SafetensorsError(`safetensors: ${name} is of type ${String(dtype)}; readable are ${[...readers.keys()].join(', ')}`);
  if (!isSizes(shape)) throw new SafetensorsError(`safetensors: the shape of ${name} is not a list of sizes`);
  if (!isSizes(offsets) || offsets.length !== 2) throw new SafetensorsError(`safetensors: the offsets of ${name} are not two positions`);
  const [begin, end] = offsets as [number, number];
  const expected = product(shape) * reader.bytes;
  if (end - begin !== expected) {
    throw new SafetensorsError(`safetensors: ${name} is ${String(dtype)} [${shape.join(', ')}], ${expected} bytes, but its offsets hold ${end - begin}`);
  }
  return { name, dtype: dtype as string, shape, begin, end };
}

/** Tensors must lie one after the other and fill the file exactly: no overlap, no gap, nothing beyond the end. */
function checkLayout(entries: readonly Entry[], size: number): void {
  let place = 0;
  for (const { name, begin, end } of [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (end > size) throw new SafetensorsError(`safetensors: ${name} ends at byte ${end}, the file holds ${size}: it is cut short`);
    if (begin < place) throw new SafetensorsError(`safetensors: ${name} overlaps the tensor before it`);
    if (begin > place) throw new SafetensorsError(`safetensors: ${begin - place} bytes before ${name} belong to no tensor`);
    place = end;
  }
  if (place !== size) throw new SafetensorsError(`safetensors: ${size - place} bytes at the end belong to no tensor`);
}

function readTensor({ dtype, shape, begin, end }: Entry, bytes: Uint8Array): Weight {
  // A copy: tensors may start at any byte, and typed arrays only at multiples of their element. Not slice(): a Buffer's does not copy.
  const own = new Uint8Array(bytes.subarray(begin, end));
  if (dtype === 'F32') return { shape, data: new Float32Array(own.buffer) };
  const { bytes: step, read } = readers.get(dtype)!;
  const view = new DataView(own.buffer);
  return { shape, data: Float32Array.from({ length: own.length / step }, (_, i) => read(view, i * step)) };
}

/** IEEE 754 binary16: one sign bit, five of exponent (bias 15), ten of fraction. */
function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction ? NaN : sign * Infinity;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const word = new DataView(new ArrayBuffer(4));

/** bfloat16 is the upper half of a float32. */
function fromBrainFloat(bits: number): number {
  word.setUint32(0, bits << 16);
  return word.getFloat32(0);
}

const product = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);
const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
const isSizes = (value: unknown): value is number[] => Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
