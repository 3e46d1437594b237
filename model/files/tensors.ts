/** Tensors in a file: shape and type are known, the numbers are read on request. */
import { CheckpointFileError, shown } from './errors.js';
import { isCount } from './json.js';
import { elementTypes, toFloat32 } from './numbers.js';

/** A tensor of a checkpoint. Nothing of it is copied before `read`. */
export interface StoredTensor {
  readonly shape: readonly number[];
  /** safetensors' name of the type: F32, F16, BF16 ... */
  readonly dtype: string;
  /** What it is instead of a tensor that can be read, such as `of type F8_E4M3`. Only a use of it is an error. */
  readonly unreadable?: string;
  /** All elements in order, as float32; may be a view of the file's bytes. @throws CheckpointFileError when they are damaged */
  readonly read: () => Float32Array;
}

/** All tensors of a file by name. */
export interface StoredTensors extends ReadonlyMap<string, StoredTensor> {
  /** What the file has beside tensors, by name: what it is instead, as `StoredTensor.unreadable`. */
  readonly others?: ReadonlyMap<string, string>;
}

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

/** What the file has in place of a tensor. @param why as `StoredTensor.unreadable` */
export const unreadable = (why: string, shape: readonly number[] = [], dtype = 'unknown'): StoredTensor => ({
  shape, dtype, unreadable: why,
  read: () => {
    throw new CheckpointFileError(`a tensor that is needed is ${shown(why, 200)}`, '');
  },
});

/** The tensor of `storage` with `layout`, unreadable when it does not fit the storage or is of an unknown type. */
export function viewOf(storage: Storage, layout: Layout): StoredTensor {
  const { shape, offset, strides } = layout;
  const isPlain = [offset, ...shape, ...strides].every(isCount);
  if (!isPlain || shape.length !== strides.length || shape.length > MAX_RANK) {
    return unreadable('without valid sizes or strides: the file is damaged');
  }
  const count = elementsOf(shape);
  const span = count === 0 ? 0 : shape.reduce((sum, size, axis) => sum + (size - 1) * strides[axis]!, 1);
  // The count is checked as well: strides of zero make a terabyte out of a byte.
  if (offset + span > storage.count || count > storage.count) {
    const sizes = `[${shape.join(', ')}], which does not fit its storage of ${storage.count} elements`;
    return unreadable(`${sizes}: save it with .contiguous()`);
  }
  if (!elementTypes.has(storage.dtype)) return unreadable(whyNoType(storage.dtype), shape, storage.dtype);
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

/** Of a type that is not among those of `numbers.ts`. */
export const whyNoType = (dtype: string): string =>
  `of type ${shown(dtype)}: save it as one of ${[...elementTypes.keys()].join(', ')}`;

/** Bytes by which tensors may exceed the file: weights rarely share storage, but hostile files share it a thousand times. */
const SHARED = 16e6;

/**
 * The same tensors, of which only so many can be read that the bytes of each, once, are at most those of the file and a little
 * more. @throws CheckpointFileError, at a read beyond that
 */
export function withinFile(tensors: StoredTensors, fileBytes: number): Map<string, StoredTensor> {
  let left = fileBytes + SHARED;
  const taken = new Set<StoredTensor>();
  const take = (tensor: StoredTensor): Float32Array => {
    if (!taken.has(tensor)) left -= elementsOf(tensor.shape) * elementTypes.get(tensor.dtype)!.bytes;
    taken.add(tensor);
    if (left >= 0) return tensor.read();
    throw new CheckpointFileError(`the tensors claim more bytes than the file has, ${fileBytes}`);
  };
  return new Map([...tensors].map(([name, tensor]) =>
    [name, tensor.unreadable === undefined ? { ...tensor, read: () => take(tensor) } : tensor]));
}
