/** Submitting work and waiting for it. Errors that the device reports later become typed errors of the next wait. */
import { UseError, type Dtype } from '../graph/index.js';
import { itemSize } from '../schedule/memory.js';
import type { Buffers } from './buffers.js';
import { DeviceLostError, KernelError, OutOfMemoryError } from './errors.js';
import { fromHalves } from './half.js';

export interface Submission {
  readonly device: GPUDevice;
  /** Resolves when the device is lost, and never rejects. */
  readonly lost: Promise<DeviceLostError>;
  /** @throws UseError after `close` */
  readonly checkOpen: () => void;
  /** From now on nothing is submitted, and no wait begins. */
  readonly close: () => void;
  /** Encodes and submits under error scopes, whose errors `guard` throws. @throws DeviceLostError */
  readonly submit: (encode: (encoder: GPUCommandEncoder) => void) => void;
  /** Does `work`, then throws errors of earlier submits. If the device is lost, that is the error, whatever else failed. */
  readonly guard: <T>(work: () => Promise<T>) => Promise<T>;
  /** Waits for all submitted work. @throws KernelError, OutOfMemoryError, DeviceLostError of work since the last wait */
  readonly sync: () => Promise<void>;
  /** Copies `count` elements of a type to the CPU, in order with earlier submits. @throws as `sync` */
  readonly readElements: (buffer: GPUBuffer, offset: number, count: number, dtype: Dtype) => Promise<Float32Array>;
}

/** The loss of the device, and a check that throws it. */
function watchLoss(device: GPUDevice): { readonly lost: Promise<DeviceLostError>; readonly check: () => void } {
  let error: DeviceLostError | undefined;
  const lost = device.lost.then(({ reason, message }) =>
    (error = new DeviceLostError(`the GPU device was lost (${[reason, message].filter(Boolean).join(': ')})`)));
  const check = (): void => {
    if (error) throw error;
  };
  return { lost, check };
}

/** Error scopes of submits that are not resolved yet, and the first error of those that are. */
function createScopes() {
  const pending = new Set<Promise<void>>();
  let failure: GPUError | undefined;
  return {
    watch: (scope: Promise<GPUError | null>): void => {
      const watched = scope
        .then((error) => void (failure ??= error ?? undefined), () => undefined) // a lost device rejects; its loss is reported
        .finally(() => pending.delete(watched));
      pending.add(watched);
    },
    /** Waits for all; the first error is told once. */
    first: async (): Promise<GPUError | undefined> => {
      await Promise.all(pending);
      const error = failure;
      failure = undefined;
      return error;
    },
  };
}

export interface SubmissionOptions {
  /** Awaits the work of the device; see engine/run/patience.ts. */
  readonly wait: <T>(work: Promise<T>) => Promise<T>;
  /** Errors of submits are thrown by the next wait; otherwise they go where the caller's device sends its errors. */
  readonly catches: boolean;
  readonly label: string;
}

export function createSubmission(device: GPUDevice, buffers: Buffers, { wait, catches, label }: SubmissionOptions): Submission {
  const { lost, check } = watchLoss(device);
  let isOpen = true;
  const checkOpen = (): void => {
    if (!isOpen) throw new UseError('engine: used after destroy()');
  };
  const checkDevice = (): void => {
    checkOpen();
    check();
  };
  const { watch, first } = createScopes();

  const guard: Submission['guard'] = async (work) => {
    checkDevice();
    const result = await wait(work()).catch(async (error: unknown) => {
      await Promise.race([lost, new Promise((resolve) => setTimeout(resolve, 50))]);
      checkDevice();
      throw error;
    });
    const error = await first();
    checkDevice();
    if (!error) return result;
    throw new (error.constructor.name === 'GPUOutOfMemoryError' ? OutOfMemoryError : KernelError)(error.message);
  };

  return {
    device, lost, checkOpen, guard,
    close: () => void (isOpen = false),
    submit: (encode) => {
      checkDevice();
      const work = (): void => {
        const encoder = device.createCommandEncoder({ label });
        encode(encoder);
        device.queue.submit([encoder.finish()]);
      };
      if (!catches) return work();
      device.pushErrorScope('out-of-memory');
      device.pushErrorScope('validation');
      try {
        work();
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
