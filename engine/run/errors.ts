/** Errors of the GPU, as types that a caller can tell apart. Those about graphs and calls are in graph/errors.ts. */
import { EngineError } from '../graph/index.js';

/** The device lacks a feature that was asked for. */
export class FeatureError extends EngineError {
  override readonly name = 'FeatureError';
  readonly code = 'FEATURE';
}

/** A kernel did not compile or its launch was refused. The message has the label, the device's words and the numbered source. */
export class KernelError extends EngineError {
  override readonly name = 'KernelError';
  readonly code = 'KERNEL';
}

/** The device is gone (driver reset, unplugged, destroyed): open another and start from the last checkpoint. */
export class DeviceLostError extends EngineError {
  override readonly name = 'DeviceLostError';
  readonly code = 'DEVICE_LOST';
}

/** The device cannot hold what was asked for. The message names it, its size and the limit or the memory in use. */
export class OutOfMemoryError extends EngineError {
  override readonly name = 'OutOfMemoryError';
  readonly code = 'OUT_OF_MEMORY';
}

export const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

/** @throws OutOfMemoryError when a single buffer of `bytes` is beyond the device's limits */
export function checkBufferSize(device: GPUDevice, what: string, bytes: number): void {
  const limit = Math.min(device.limits.maxBufferSize, device.limits.maxStorageBufferBindingSize);
  if (bytes > limit) throw new OutOfMemoryError(`${what} needs ${mib(bytes)}, this device binds at most ${mib(limit)}`);
}

/** @throws FeatureError on a device without float16 */
export function checkHalf(device: GPUDevice): void {
  if (device.features.has('shader-f16')) return;
  throw new FeatureError('float16 needs the feature shader-f16, which this device does not have');
}

/** Source with line numbers, as compilers count them. */
export const numbered = (code: string): string =>
  code.split('\n').map((line, i) => `${String(i + 1).padStart(4)} | ${line}`).join('\n');
