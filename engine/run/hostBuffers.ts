/** Buffers of the caller in place of the engine's own, and what must hold before a launch binds one. */
import { labelOf, UseError, type Node, type Tensor } from '../graph/index.js';
import { boundTensors } from './launch.js';
import { STORAGE } from './usage.js';

/** Part of a buffer, in bytes. */
export interface BufferRange {
  readonly buffer: GPUBuffer;
  readonly offset: number;
  readonly size: number;
}

/** A buffer of the caller, from `offset` bytes on (0). */
export interface HostBuffer {
  readonly buffer: GPUBuffer;
  readonly offset?: number;
}

/** @throws UseError when a buffer lacks a usage that reading or writing it from the CPU needs */
export function checkUsage(what: string, { usage }: GPUBuffer, bit: number, name: string): void {
  if ((usage & bit) === 0) throw new UseError(`${what}: its buffer was made without GPUBufferUsage.${name}: add it`);
}

/** @throws UseError when the device would refuse to bind `bytes` of this buffer as storage; `what` names it */
export function checkHostBuffer({ limits }: GPUDevice, what: string, { buffer, offset = 0 }: HostBuffer, bytes: number): void {
  const fail = (problem: string): never => {
    throw new UseError(`${what}: ${problem}`);
  };
  const step = limits.minStorageBufferOffsetAlignment;
  checkUsage(what, buffer, STORAGE, 'STORAGE');
  if (!Number.isInteger(offset) || offset < 0 || offset % step !== 0) {
    fail(`its offset of ${offset} bytes is not a multiple of ${step}, as this device needs`);
  }
  if (buffer.size - offset >= bytes) return;
  fail(`it needs ${bytes} bytes (a multiple of 16) from offset ${offset}, its buffer has ${buffer.size}`);
}

/**
 * @throws UseError when a launch would read and write one buffer, or write overlapping parts of one: WebGPU refuses both, the
 * first even for parts that do not overlap
 */
export function checkAliasing(nodes: readonly Node[], rangeOf: (t: Tensor) => BufferRange): void {
  for (const node of nodes) {
    const { op: { inPlace = 0 }, inputs } = node;
    const bound = boundTensors(node).map((t, i) => ({ ...rangeOf(t), writes: i < inPlace || i >= inputs.length }));
    bound.forEach((a, i) => bound.slice(0, i).forEach((b) => {
      if (a.buffer !== b.buffer || !(a.writes || b.writes)) return;
      const overlap = a.offset < b.offset + b.size && b.offset < a.offset + a.size;
      if (a.writes && b.writes && !overlap) return;
      const verb = a.writes && b.writes ? 'write one place of a buffer twice' : 'read and write one buffer';
      throw new UseError(`program: ${labelOf(node)} would ${verb} ("${a.buffer.label}"): bind another`);
    }));
  }
}
