/** The engine: an open device, and all that the programs on it share. */
import {
  Graph, showShape, sizeOf, UseError, type Dtype, type Kernel, type Node, type Shape, type Tensor, type Tuning,
} from '../graph/index.js';
import { byteSize } from '../schedule/memory.js';
import { schedule } from '../schedule/schedule.js';
import { allocating, createBuffers, LABEL, writeElements, type Buffers } from './buffers.js';
import { checkHalf, mib, OutOfMemoryError, type DeviceLostError } from './errors.js';
import { checkHostBuffer, checkUsage } from './hostBuffers.js';
import { createLauncher, type Launcher, type LauncherOptions } from './launch.js';
import { isDawnForNode, waitCalmly } from './patience.js';
import type { PipelineCache } from './pipelines.js';
import { Program, type Shared } from './program.js';
import { createSubmission, type Submission } from './submission.js';
import { isWide, traitsOf, tuningFor } from './tuning.js';
import { createTurns } from './turns.js';
import { COPY_DST, COPY_SRC } from './usage.js';

export interface EngineOptions extends LauncherOptions {
  /** Forces kernel variants; default: chosen from the device by engine/run/tuning.ts. */
  readonly tuning?: Partial<Tuning>;
  /** Fills every new buffer with NaN, so that an element that no launch wrote shows. For tests. */
  readonly poison?: boolean;
  /** Begins the labels of all buffers, encoders and passes, as GPU inspectors show them; default `splice-gpu`. */
  readonly label?: string;
  /**
   * Where errors of `program.run()` go. `wait`, the default: the next `read` or `sync` throws them. `device`: to the caller's own
   * error scopes, or to the device's `uncapturederror` event.
   */
  readonly errors?: 'wait' | 'device';
}

export interface CompileOptions {
  /** Gives the kernels; default: those that the device gets. */
  readonly kernelOf?: (node: Node) => Kernel;
  /** Called after each launch that is compiled, or was before, for a bar or a line of progress. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Made by `createEngine`. */
export class Engine {
  readonly tuning: Tuning;
  readonly buffers: Buffers;
  readonly pipelines: PipelineCache;
  /** Which kernels launches get. */
  readonly launcher: Launcher;
  /** Resolves when the device is lost, for whatever reason; it never rejects. */
  readonly lost: Promise<DeviceLostError>;
  readonly #submission: Submission;
  readonly #shared: Shared;

  constructor(readonly device: GPUDevice, { tuning, poison = false, label = LABEL, errors = 'wait', ...choice }: EngineOptions) {
    const usual = tuningFor(traitsOf(device));
    this.tuning = { ...usual, ...tuning };
    this.buffers = createBuffers(device, { poison, label });
    this.launcher = createLauncher(device, this.tuning, choice);
    this.pipelines = this.launcher.pipelines;
    const wait = usual.software && isDawnForNode(device) ? waitCalmly : <T>(work: Promise<T>) => work;
    this.#submission = createSubmission(device, this.buffers, { wait, catches: errors === 'wait', label });
    this.lost = this.#submission.lost;
    const { buffers, launcher } = this;
    this.#shared = { buffers, launcher, submission: this.#submission, turns: createTurns(), label };
  }

  /** A graph for this device. */
  graph(): Graph {
    return new Graph(isWide(this.tuning));
  }

  /** The kernel of a node as this device runs it. @throws FeatureError for float16 on a device without it */
  kernelOf(node: Node): Kernel {
    return this.launcher.kernelOf(node);
  }

  /**
   * Plans, compiles and allocates a program that computes `outputs`; their keys name them later. Everything is made here: a run
   * replays the launches, as a captured graph does.
   * @throws KernelError, OutOfMemoryError, DeviceLostError, and FeatureError for float16 on a device without it
   */
  async compile(outputs: Readonly<Record<string, Tensor>>, options: CompileOptions = {}): Promise<Program> {
    const { kernelOf = this.launcher.kernelOf, onProgress } = options;
    const plan = schedule(Object.values(outputs));
    const kernels = plan.launches.map((node) => kernelOf(node));
    return this.#submission.guard(async () => {
      let done = 0;
      const launches = await this.launcher.launchesOf(plan.launches, kernels, () => onProgress?.(++done, kernels.length));
      const needed = plan.plan.slots.reduce((sum, bytes) => sum + bytes, 0);
      return this.allocate(`a program of ${launches.length} launches with ${mib(needed)} of intermediate results`, () => {
        const program = new Program(this.#shared, outputs, plan, launches);
        program.prepare();
        return program;
      });
    });
  }

  /** Runs `make`, which makes buffers. @throws OutOfMemoryError with the sizes when the device's memory is not enough */
  allocate<T>(what: string, make: () => T): Promise<T> {
    const held = this.buffers.heldBytes();
    return allocating(this.device, `${what}, with ${mib(held)} held before`, make).catch((error: unknown) => {
      if (error instanceof OutOfMemoryError) this.buffers.dropSlots();
      throw error;
    });
  }

  /** Sets a parameter's values; makes it, stored as `dtype`, on first use. @throws FeatureError for float16 the device lacks */
  writeParameter(name: string, shape: Shape, data: Float32Array, dtype: Dtype = 'f32'): void {
    if (data.length !== sizeOf(shape)) throw new UseError(`parameter ${name}: ${data.length} values for ${showShape(shape)}`);
    if (dtype === 'f16') checkHalf(this.device);
    this.#submission.checkOpen();
    const { buffer } = this.buffers.parameter(name, shape, dtype);
    checkUsage(`parameter ${name}`, buffer, COPY_DST, 'COPY_DST');
    writeElements(this.device, buffer, 0, data, dtype);
  }

  /**
   * Makes a buffer of the caller a parameter, without a copy; the engine never destroys it. Call it before programs that use the
   * name are compiled. @throws UseError when the name is taken, or the buffer is too small or lacks the usage STORAGE
   */
  parameterFrom(name: string, shape: Shape, buffer: GPUBuffer, dtype: Dtype = 'f32'): void {
    if (dtype === 'f16') checkHalf(this.device);
    this.#submission.checkOpen();
    checkHostBuffer(this.device, `parameter ${name}`, { buffer }, byteSize({ shape, dtype }));
    this.buffers.adopt(name, { shape, dtype, buffer });
  }

  /** Copies a parameter to the CPU. @throws UseError when no program or write made it */
  async readParameter(name: string): Promise<Float32Array> {
    const known = this.buffers.parameters.get(name);
    if (!known) throw new UseError(`parameter ${name}: unknown to this engine`);
    checkUsage(`parameter ${name}`, known.buffer, COPY_SRC, 'COPY_SRC');
    return this.#submission.readElements(known.buffer, 0, sizeOf(known.shape), known.dtype);
  }

  /** Waits for all submitted work. @throws KernelError, OutOfMemoryError, DeviceLostError of work since the last wait */
  sync(): Promise<void> {
    return this.#submission.sync();
  }

  /**
   * Frees what programs share: parameters, constants and slots; nothing of the engine works afterwards. Each program frees its
   * own; device and bound buffers are the caller's.
   */
  destroy(): void {
    this.#submission.close();
    this.buffers.destroy();
  }
}

/**
 * An engine on any GPUDevice: Dawn's, a browser's, Deno's. The device is not owned: the caller opens and destroys it.
 * `deviceDescriptor(adapter)` has what to open it with.
 */
export const createEngine = (device: GPUDevice, options: EngineOptions = {}): Engine => new Engine(device, options);
