/** Submitting work and waiting for it. Errors that the device reports later become typed errors of the next wait. */
import type { Dtype } from '../graph/index.js';
import { itemSize } from '../schedule/memory.js';
import type { Buffers } from './buffers.js';
import { DeviceLostError, KernelError, OutOfMemoryError } from './errors.js';
import { fromHalves } from './half.js';

export interface Submission {
  readonly device: GPUDevice;
  /** Encodes and submits under error scopes, whose errors `guard` throws. @throws DeviceLostError */
  readonly submit: (encode: (encoder: GPUCommandEncoder) => void) => void;
  /** Does `work`, then throws errors of earlier submits. If the device is lost, that is the error, whatever else failed. */
  readonly guard: <T>(work: () => Promise<T>) => Promise<T>;
  /** Waits for all submitted work. @throws KernelError, OutOfMemoryError, DeviceLostError of work since the last wait */
  readonly sync: () => Promise<void>;
  /** Copies `count` elements of a type to the CPU, in order with earlier submits. @throws as `sync` */
  readonly readElements: (buffer: GPUBuffer, offset: number, count: number, dtype: Dtype) => Promise<Float32Array>;
}

/** Returns a check of the device. @throws DeviceLostError */
function watchLoss(device: GPUDevice): () => void {
  let lost: string | undefined;
  void device.lost.then(({ reason, message }) => {
    lost = [reason, message].filter(Boolean).join(': ');
  });
  return () => {
    if (lost !== undefined) throw new DeviceLostError(`the GPU device was lost (${lost})`);
  };
}

/** `wait` awaits the work of the device; see engine/run/patience.ts. */
export function createSubmission(device: GPUDevice, buffers: Buffers, wait: <T>(work: Promise<T>) => Promise<T>): Submission {
  const checkDevice = watchLoss(device);
  /** Error scopes of submits that are not resolved yet, and the first error of those that are. */
  const pending = new Set<Promise<void>>();
  let failure: GPUError | undefined;
  const watch = (scope: Promise<GPUError | null>): void => {
    const watched = scope
      .then((error) => void (failure ??= error ?? undefined), () => undefined) // a lost device rejects; checkDevice reports it
      .finally(() => pending.delete(watched));
    pending.add(watched);
  };

  const guard: Submission['guard'] = async (work) => {
    checkDevice();
    const result = await wait(work()).catch(async (error: unknown) => {
      await Promise.race([device.lost, new Promise((resolve) => setTimeout(resolve, 50))]);
      checkDevice();
      throw error;
    });
    await Promise.all(pending);
    checkDevice();
    const error = failure;
    failure = undefined;
    if (!error) return result;
    throw new (error.constructor.name === 'GPUOutOfMemoryError' ? OutOfMemoryError : KernelError)(error.message);
  };

  return {
    device,
    guard,
    submit: (encode) => {
      checkDevice();
      device.pushErrorScope('out-of-memory');
      device.pushErrorScope('validation');
      try {
        const encoder = device.createCommandEncoder();
        encode(encoder);
        device.queue.submit([encoder.finish()]);
      } finally {
        watch(device.popErrorScope());
        watch(device.popErrorScope());
      }
    },
    sync: () => guard<void>(() => device.queue.onSubmittedWorkDone()),
    readElements: async (buffer, offset, count, dtype) => {
      const words = await guard(() => buffers.read(buffer, offset, Math.ceil((count * itemSize({ dtype })) / 4) * 4));
      return dtype === 'f32' ? words : fromHalves(new Uint16Array(words.buffer, 0, count));
    },
  };
}
