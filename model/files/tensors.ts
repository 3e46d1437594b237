/** Tensors in a file: shape and type are known, the numbers are read on request. */
import { CheckpointFileError, shown } from './errors.js';
import { elementTypes, toFloat32 } from './numbers.js';

/** A tensor of a checkpoint. Nothing of it is copied before `read`. */
export interface StoredTensor {
  readonly shape: readonly number[];
  /** safetensors' name of the type: F32, F16, BF16 ... */
  readonly dtype: string;
  /** All elements in order, as float32; may be a view of the file's bytes. @throws CheckpointFileError when they are damaged */
  readonly read: () => Float32Array;
}

/** All tensors of a file by name. */
export type StoredTensors = ReadonlyMap<string, StoredTensor>;

/** Position of a tensor's elements; `offset` and `strides` count elements of the storage. */
export interface Layout {
  readonly shape: readonly number[];
  readonly offset: number;
  readonly strides: readonly number[];
}

/** A sequence of elements that several tensors may share. */
export interface Storage {
  readonly dtype: string;
  /** Number of elements. */
  readonly count: number;
  readonly bytes: () => Uint8Array;
}

export const MAX_RANK = 16;

/** The tensor of `storage` with `layout`. @throws CheckpointFileError when it does not fit the storage */
export function viewOf(storage: Storage, layout: Layout): StoredTensor {
  const { shape, offset, strides } = layout;
  const isPlain = [offset, ...shape, ...strides].every((n) => Number.isSafeInteger(n) && n >= 0);
  if (!isPlain || shape.length !== strides.length || shape.length > MAX_RANK) {
    throw new CheckpointFileError('a tensor has invalid sizes or strides');
  }
  const count = elementsOf(shape);
  const span = count === 0 ? 0 : shape.reduce((sum, size, axis) => sum + (size - 1) * strides[axis]!, 1);
  // The count is checked as well: strides of zero make a terabyte out of a byte.
  if (offset + span > storage.count || count > storage.count) {
    throw new CheckpointFileError(`a tensor [${shown(shape.join(', '))}] does not fit its storage of ${storage.count} elements`);
  }
  const read = (): Float32Array => {
    const { bytes: step } = elementTypes.get(storage.dtype)!;
    const flat = toFloat32(storage.bytes().subarray(offset * step), storage.dtype, span);
    return isContiguous(shape, strides) ? flat : gather(flat, shape, strides, count);
  };
  return { shape, dtype: storage.dtype, read };
}

/** Always so for a tensor without elements; strides of sizes of one do not matter. */
function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== expected) return shape.includes(0);
    expected *= shape[axis]!;
  }
  return true;
}

/** Copies in the order of the indices, the last varying fastest. */
function gather(from: Float32Array, shape: readonly number[], strides: readonly number[], count: number): Float32Array {
  const out = new Float32Array(count);
  const index = shape.map(() => 0);
  let place = 0;
  for (let i = 0; i < count; i++) {
    out[i] = from[place]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      place += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      place -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return out;
}

/** Not exact above 2^53, which is larger than every file. */
export const elementsOf = (shape: readonly number[]): number => (shape.includes(0) ? 0 : shape.reduce((a, b) => a * b, 1));

/** Bytes by which tensors may exceed the file: weights rarely share storage, but hostile files share it a thousand times. */
const SHARED = 16e6;

/** @throws CheckpointFileError when all tensors would take far more bytes than the file has */
export function checkTotal(tensors: StoredTensors, fileBytes: number): void {
  let total = 0;
  for (const { shape, dtype } of tensors.values()) total += elementsOf(shape) * elementTypes.get(dtype)!.bytes;
  if (total > fileBytes + SHARED) throw new CheckpointFileError(`the tensors claim ${total} bytes, the file has ${fileBytes}`);
}
