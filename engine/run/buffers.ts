/** GPU memory: parameters by name, constants by array, and the pool of slots that all programs share. */
import { getOrInsert, showShape, sizeOf, UseError, type Dtype, type Shape } from '../graph/index.js';
import { itemSize } from '../schedule/memory.js';
import { checkBufferSize, KernelError, OutOfMemoryError } from './errors.js';
import { toHalves } from './half.js';
import { COPY_DST, COPY_SRC, MAP_READ, STORAGE, UNIFORM } from './usage.js';

export interface Parameter {
  readonly shape: Shape;
  readonly dtype: Dtype;
  readonly buffer: GPUBuffer;
  /** The buffer is the caller's. */
  readonly isForeign?: boolean;
}

export interface Buffers {
  readonly storage: (label: string, bytes: number) => GPUBuffer;
  readonly uniform: (label: string, bytes: number) => GPUBuffer;
  /** The buffer of a parameter, made (all zero) on first use. @throws UseError when its size or type changed */
  readonly parameter: (name: string, shape: Shape, dtype: Dtype) => Parameter;
  readonly parameters: ReadonlyMap<string, Parameter>;
  /** Takes the caller's buffer as a parameter's. @throws UseError when the name has a buffer already */
  readonly adopt: (name: string, parameter: Parameter) => void;
  /** Destroys a buffer that no program binds any more, or leaves it to what has recorded it: see `recorded`. */
  readonly retire: (buffer: GPUBuffer) => void;
  /** Says that a caller's pass has launches on these buffers, which may be submitted at any time. */
  readonly recorded: () => void;
  /** Gives up all slots after an allocation failed: the slots made then are not usable. */
  readonly dropSlots: () => void;
  readonly constant: (data: Float32Array, dtype: Dtype) => GPUBuffer;
  /** Buffers of at least these bytes each, largest first. Grown when too small; `version` then changes. */
  readonly slots: (bytes: readonly number[]) => readonly GPUBuffer[];
  readonly version: () => number;
  /** The counter of the work queue, a word that is 0 between launches; see shaders/rewrite/workQueue.ts. */
  readonly queue: () => GPUBuffer;
  /** Copies `bytes` from `buffer` at `offset` to the CPU. */
  readonly read: (buffer: GPUBuffer, offset: number, bytes: number) => Promise<Float32Array>;
  /** Bytes of parameters, constants and slots held now; buffers of the caller are not counted. */
  readonly heldBytes: () => number;
  readonly destroy: () => void;
}

/** Bytes rounded up so that every tensor can be bound as vectors of four. */
const rounded = (bytes: number): number => Math.max(16, Math.ceil(bytes / 16) * 16);

/** The labels of everything that an engine makes begin with this, unless it has a label of its own. */
export const LABEL = 'splice-gpu';

/** Writes numbers as elements of a type. The queue takes whole words; the rounded sizes of buffers leave room for them. */
export function writeElements(device: GPUDevice, buffer: GPUBuffer, offset: number, data: Float32Array, dtype: Dtype): void {
  if (dtype === 'f32') return device.queue.writeBuffer(buffer, offset, data as Float32Array<ArrayBuffer>);
  const words = new Uint16Array(data.length + (data.length % 2));
  words.set(toHalves(data));
  device.queue.writeBuffer(buffer, offset, words);
}

/** Reads buffers through staging buffers, of which a few small ones are kept for the next read of their size. */
function createReader(device: GPUDevice, label: string): Pick<Buffers, 'read' | 'destroy'> {
  const staging = new Map<number, GPUBuffer[]>();
  return {
    read: async (buffer, offset, bytes) => {
      const size = rounded(bytes);
      const free = getOrInsert(staging, size, () => []);
      const target = free.pop() ?? device.createBuffer({ label: `${label} staging`, size, usage: MAP_READ | COPY_DST });
      const encoder = device.createCommandEncoder({ label: `${label} read` });
      encoder.copyBufferToBuffer(buffer, offset, target, 0, bytes);
      device.queue.submit([encoder.finish()]);
      await target.mapAsync(1 /* GPUMapMode.READ */, 0, size);
      const data = new Float32Array(target.getMappedRange(0, size)).slice(0, bytes / 4);
      target.unmap();
      if (size <= 65536 && free.length < 4) free.push(target);
      else target.destroy();
      return data;
    },
    destroy: () => {
      for (const buffer of [...staging.values()].flat()) buffer.destroy();
      staging.clear();
    },
  };
}

/** @throws UseError when a parameter is asked for with another size or type than it has */
function checkSame(name: string, known: Parameter, shape: Shape, dtype: Dtype): void {
  if (sizeOf(known.shape) !== sizeOf(shape)) {
    throw new UseError(`parameter ${name}: holds ${showShape(known.shape)}, requested as ${showShape(shape)}`);
  }
  if (known.dtype !== dtype) throw new UseError(`parameter ${name}: holds ${known.dtype}, requested as ${dtype}`);
}

/** The slots that all programs share. */
function createPool(
  { storage, retire }: Pick<Buffers, 'storage' | 'retire'>,
): Pick<Buffers, 'slots' | 'version' | 'dropSlots'> {
  let pool: GPUBuffer[] = [];
  let version = 0;
  return {
    version: () => version,
    slots: (bytes) => {
      bytes.forEach((size, i) => {
        if (pool[i] && pool[i].size >= size) return;
        if (pool[i]) retire(pool[i]);
        pool[i] = storage(`slot ${i}`, size);
        version++;
      });
      return pool;
    },
    dropSlots: () => {
      pool.forEach(retire);
      pool = [];
      version++;
    },
  };
}

/** Parameters by name: the engine's own, and the caller's. */
function createParameters(device: GPUDevice, create: (what: string, bytes: number, usage: number) => GPUBuffer) {
  const parameters = new Map<string, Parameter>();
  const parameter: Buffers['parameter'] = (name, shape, dtype) => {
    const known = getOrInsert(parameters, name, () => {
      const bytes = rounded(sizeOf(shape) * itemSize({ dtype }));
      checkBufferSize(device, `parameter ${name}`, bytes);
      return { shape, dtype, buffer: create(`parameter ${name}`, bytes, STORAGE | COPY_SRC | COPY_DST) };
    });
    checkSame(name, known, shape, dtype);
    return known;
  };
  const adopt: Buffers['adopt'] = (name, foreign) => {
    if (parameters.has(name)) throw new UseError(`parameter ${name}: this engine has one of this name: take another`);
    parameters.set(name, { ...foreign, isForeign: true });
  };
  const own = (): GPUBuffer[] => [...parameters.values()].flatMap(({ isForeign, buffer }) => (isForeign ? [] : [buffer]));
  return { parameters, parameter, adopt, own };
}

interface BufferOptions {
  readonly poison: boolean;
  readonly label: string;
}

/** `poison` fills new buffers with NaN, except parameters. All labels begin with `label`. */
export function createBuffers(device: GPUDevice, { poison, label }: BufferOptions): Buffers {
  const constants = { f32: new Map<Float32Array | number, GPUBuffer>(), f16: new Map<Float32Array | number, GPUBuffer>() };
  let queue: GPUBuffer | undefined;
  let isRecorded = false;

  const create = (what: string, bytes: number, usage: number): GPUBuffer =>
    device.createBuffer({ label: `${label} ${what}`, size: rounded(bytes), usage });
  const storage = (what: string, bytes: number): GPUBuffer => {
    checkBufferSize(device, what, bytes);
    const buffer = create(what, bytes, STORAGE | COPY_SRC | COPY_DST);
    if (poison) device.queue.writeBuffer(buffer, 0, new Float32Array(buffer.size / 4).fill(NaN));
    return buffer;
  };
  // A recorded pass may be submitted later, and holds its buffers until then: they are freed when nothing refers to them.
  const retire = (buffer: GPUBuffer): void => (isRecorded ? undefined : buffer.destroy());
  const reader = createReader(device, label);
  const pool = createPool({ storage, retire });
  const { parameters, own, ...named } = createParameters(device, create);
  const held = (): GPUBuffer[] => [...own(), ...constants.f32.values(), ...constants.f16.values(), ...pool.slots([])];

  return {
    ...pool, ...named, storage, parameters, retire,
    recorded: () => void (isRecorded = true),
    uniform: (what, bytes) => create(what, bytes, UNIFORM | COPY_DST),
    // A table is the same array in every graph; a single number is a new array each time.
    constant: (data, dtype) => getOrInsert(constants[dtype], data.length === 1 ? data[0]! : data, () => {
      const buffer = storage('constant', data.length * itemSize({ dtype }));
      writeElements(device, buffer, 0, data, dtype);
      return buffer;
    }),
    queue: () => (queue ??= create('queue', 4, STORAGE)),
    read: reader.read,
    heldBytes: () => held().reduce((sum, b) => sum + b.size, 0),
    destroy: () => {
      for (const buffer of [...held(), queue]) buffer?.destroy();
      for (const known of [parameters, constants.f32, constants.f16]) known.clear();
      pool.dropSlots();
      reader.destroy();
      queue = undefined;
    },
  };
}

/** Runs `make`. @throws OutOfMemoryError when the device's memory is not enough, KernelError when it refuses what was made */
export async function allocating<T>(device: GPUDevice, what: string, make: () => T): Promise<T> {
  device.pushErrorScope('out-of-memory');
  device.pushErrorScope('validation');
  const attempt = ((): { made: T } | { thrown: unknown } => {
    try {
      return { made: make() };
    } catch (thrown) {
      return { thrown };
    }
  })();
  // Popped in any case, or they would swallow later errors.
  const [invalid, exhausted] = await Promise.all([device.popErrorScope(), device.popErrorScope()]);
  if ('thrown' in attempt) throw attempt.thrown;
  if (exhausted) throw new OutOfMemoryError(`${what}: ${exhausted.message}`);
  if (invalid) throw new KernelError(`${what}: ${invalid.message}`);
  return attempt.made;
}
