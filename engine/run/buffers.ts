/** GPU memory: parameters by name, constants by array, and the pool of slots that all programs share. */
import { checkBufferSize, KernelError, OutOfMemoryError } from './errors.js';
import type { Dtype } from '../graph/graph.js';
import { toHalves } from './half.js';
import { itemSize } from '../schedule/memory.js';
import { sizeOf, type Shape } from '../graph/shape.js';

// GPUBufferUsage, spelt out: the global is missing where Dawn's are not installed.
const MAP_READ = 1, COPY_SRC = 4, COPY_DST = 8, UNIFORM = 64, STORAGE = 128;

export interface Parameter {
  readonly shape: Shape;
  readonly dtype: Dtype;
  readonly buffer: GPUBuffer;
}

export interface Buffers {
  readonly storage: (label: string, bytes: number) => GPUBuffer;
  readonly uniform: (label: string, bytes: number) => GPUBuffer;
  /** The buffer of a parameter, made (all zero) on first use. @throws Error when its size or type changed */
  readonly parameter: (name: string, shape: Shape, dtype: Dtype) => Parameter;
  readonly parameters: ReadonlyMap<string, Parameter>;
  /** Gives up all slots, for after an allocation failed: what was made then is not usable. */
  readonly dropSlots: () => void;
  readonly constant: (data: Float32Array, dtype: Dtype) => GPUBuffer;
  /** Buffers of at least these bytes each, largest first. Grown when too small; `version` then changes. */
  readonly slots: (bytes: readonly number[]) => readonly GPUBuffer[];
  readonly version: () => number;
  /** The counter of the work queue, a word that is 0 between launches; see shaders/rewrite/workQueue.ts. */
  readonly queue: () => GPUBuffer;
  /** Copies `bytes` from `buffer` at `offset` to the CPU. */
  readonly read: (buffer: GPUBuffer, offset: number, bytes: number) => Promise<Float32Array>;
  /** Bytes of parameters, constants and slots held now. */
  readonly heldBytes: () => number;
  readonly destroy: () => void;
}

/** Bytes rounded up so that every tensor can be bound as vectors of four. */
const rounded = (bytes: number): number => Math.max(16, Math.ceil(bytes / 16) * 16);

/** Writes numbers as elements of a type; the queue takes whole words, which the rounding of buffers leaves room for. */
export function writeElements(device: GPUDevice, buffer: GPUBuffer, offset: number, data: Float32Array, dtype: Dtype): void {
  if (dtype === 'f32') return device.queue.writeBuffer(buffer, offset, data as Float32Array<ArrayBuffer>);
  const words = new Uint16Array(data.length + (data.length % 2));
  words.set(toHalves(data));
  device.queue.writeBuffer(buffer, offset, words);
}

export function createBuffers(device: GPUDevice, poison: boolean): Buffers {
  const parameters = new Map<string, Parameter>();
  const constants: Readonly<Record<Dtype, Map<Float32Array | number, GPUBuffer>>> = { f32: new Map(), f16: new Map() };
  const allConstants = (): GPUBuffer[] => Object.values(constants).flatMap((known) => [...known.values()]);
  const staging = new Map<number, GPUBuffer[]>();
  let pool: GPUBuffer[] = [];
  let version = 0;
  let queue: GPUBuffer | undefined;

  const storage = (label: string, bytes: number): GPUBuffer => {
    checkBufferSize(device, label, bytes);
    const buffer = device.createBuffer({ label, size: rounded(bytes), usage: STORAGE | COPY_SRC | COPY_DST });
    if (poison) device.queue.writeBuffer(buffer, 0, new Float32Array(buffer.size / 4).fill(NaN));
    return buffer;
  };

  const read: Buffers['read'] = async (buffer, offset, bytes) => {
    const size = rounded(bytes);
    const free = staging.get(size) ?? [];
    staging.set(size, free);
    const target = free.pop() ?? device.createBuffer({ label: 'staging', size, usage: MAP_READ | COPY_DST });
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer, offset, target, 0, bytes);
    device.queue.submit([encoder.finish()]);
    await target.mapAsync(1 /* GPUMapMode.READ */, 0, size);
    const data = new Float32Array(target.getMappedRange(0, size)).slice(0, bytes / 4);
    target.unmap();
    // A few wait for the next read of that size; a large one is not worth keeping.
    if (size <= 65536 && free.length < 4) free.push(target);
    else target.destroy();
    return data;
  };

  return {
    storage,
    uniform: (label, bytes) => device.createBuffer({ label, size: rounded(bytes), usage: UNIFORM | COPY_DST }),
    parameter: (name, shape, dtype) => {
      const known = parameters.get(name);
      if (known) {
        if (sizeOf(known.shape) !== sizeOf(shape)) throw new Error(`parameter ${name}: holds [${known.shape.join(', ')}], asked for as [${shape.join(', ')}]`);
        if (known.dtype !== dtype) throw new Error(`parameter ${name}: holds ${known.dtype}, asked for as ${dtype}`);
        return known;
      }
      const bytes = rounded(sizeOf(shape) * itemSize({ dtype }));
      checkBufferSize(device, `parameter ${name}`, bytes);
      const made = { shape, dtype, buffer: device.createBuffer({ label: name, size: bytes, usage: STORAGE | COPY_SRC | COPY_DST }) };
      parameters.set(name, made);
      return made;
    },
    parameters,
    dropSlots: () => {
      for (const slot of pool) slot.destroy();
      pool = [];
      version++;
    },
    constant: (data, dtype) => {
      // Numbers come anew with every graph; tables are the same array each time.
      const key = data.length === 1 ? data[0]! : data;
      let buffer = constants[dtype].get(key);
      if (!buffer) {
        buffer = storage('constant', data.length * itemSize({ dtype }));
        writeElements(device, buffer, 0, data, dtype);
        constants[dtype].set(key, buffer);
      }
      return buffer;
    },
    slots: (bytes) => {
      bytes.forEach((size, i) => {
        const known = pool[i];
        if (known && known.size >= size) return;
        known?.destroy();
        pool[i] = storage(`slot ${i}`, size);
        version++;
      });
      return pool;
    },
    version: () => version,
    queue: () => (queue ??= device.createBuffer({ label: 'queue', size: rounded(4), usage: STORAGE })),
    read,
    heldBytes: () => {
      const held = [...[...parameters.values()].map((p) => p.buffer), ...allConstants(), ...pool];
      return held.reduce((sum, b) => sum + b.size, 0);
    },
    destroy: () => {
      for (const p of parameters.values()) p.buffer.destroy();
      for (const b of [...allConstants(), ...pool, ...[...staging.values()].flat(), ...(queue ? [queue] : [])]) b.destroy();
      queue = undefined;
      parameters.clear();
      for (const known of Object.values(constants)) known.clear();
      staging.clear();
      pool = [];
    },
  };
}

/** Runs `make`. @throws OutOfMemoryError when the device's memory does not suffice, KernelError when it refuses what was made */
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
