/** The number types of stored weights, in every file format; all little-endian. */
import { halfValues } from '../../engine/index.js';

/** One stored type. */
export interface ElementType {
  readonly bytes: number;
  /** `out.length` elements from the start of `view`, rounded to float32. */
  readonly convert: (view: DataView, out: Float32Array) => void;
}

/** A type whose elements are read one by one. */
const each = (bytes: number, read: (view: DataView, byte: number) => number): ElementType => ({
  bytes,
  convert: (view, out) => {
    for (let i = 0; i < out.length; i++) out[i] = read(view, i * bytes);
  },
});

/** By safetensors' names. The integers are of counters and index tables that are stored with weights. */
export const elementTypes: ReadonlyMap<string, ElementType> = new Map(Object.entries({
  F64: each(8, (view, i) => view.getFloat64(i, true)),
  F32: each(4, (view, i) => view.getFloat32(i, true)),
  F16: each(2, (view, i) => halfValues()[view.getUint16(i, true)]!),
  BF16: each(2, (view, i) => fromBrainFloat(view.getUint16(i, true))),
  I64: each(8, (view, i) => Number(view.getBigInt64(i, true))),
  I32: each(4, (view, i) => view.getInt32(i, true)),
  I16: each(2, (view, i) => view.getInt16(i, true)),
  I8: each(1, (view, i) => view.getInt8(i)),
  U8: each(1, (view, i) => view.getUint8(i)),
  BOOL: each(1, (view, i) => view.getUint8(i)),
}));

/**
 * `count` elements of type `dtype` at the start of `bytes` as float32. F32 at a multiple of four in its buffer is not copied: the
 * array is a view of the caller's bytes, so that a file of weights takes only its own size in memory.
 */
export function toFloat32(bytes: Uint8Array, dtype: string, count: number): Float32Array {
  if (dtype === 'F32' && bytes.byteOffset % 4 === 0) return new Float32Array(bytes.buffer, bytes.byteOffset, count);
  const out = new Float32Array(count);
  const { bytes: step, convert } = elementTypes.get(dtype)!;
  // A typed array must begin at a multiple of its element; copying bytes is faster than reading numbers one by one.
  if (dtype === 'F32') new Uint8Array(out.buffer).set(bytes.subarray(0, 4 * count));
  else convert(new DataView(bytes.buffer, bytes.byteOffset, count * step), out);
  return out;
}

const word = new DataView(new ArrayBuffer(4));

/** bfloat16 is the upper half of a float32. */
function fromBrainFloat(bits: number): number {
  word.setUint32(0, bits << 16);
  return word.getFloat32(0);
}
