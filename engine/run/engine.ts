/** The engine: an open device, and all that the programs on it share. */
import {
  Graph, showShape, sizeOf, type Dtype, type Kernel, type Node, type Shape, type Tensor, type Tuning,
} from '../graph/index.js';
import { schedule } from '../schedule/schedule.js';
import { allocating, createBuffers, writeElements, type Buffers } from './buffers.js';
import { checkHalf, mib, OutOfMemoryError } from './errors.js';
import { createLauncher, type Launcher, type LauncherOptions } from './launch.js';
import { isDawnForNode, waitCalmly } from './patience.js';
import type { PipelineCache } from './pipelines.js';
import { Program } from './program.js';
import { createSubmission, type Submission } from './submission.js';
import { traitsOf, tuningFor } from './tuning.js';

export interface EngineOptions extends LauncherOptions {
  /** Forces kernel variants; default: chosen from the device by engine/run/tuning.ts. */
  readonly tuning?: Partial<Tuning>;
  /** Fills every new buffer with NaN, so that an element that no launch wrote shows. For tests. */
  readonly poison?: boolean;
}

/** Made by `createEngine`. */
export class Engine {
  readonly tuning: Tuning;
  readonly buffers: Buffers;
  readonly pipelines: PipelineCache;
  /** Which kernels launches get. */
  readonly launcher: Launcher;
  readonly #submission: Submission;

  constructor(readonly device: GPUDevice, { tuning, poison = false, ...choice }: EngineOptions) {
    const usual = tuningFor(traitsOf(device));
    this.tuning = { ...usual, ...tuning };
    this.buffers = createBuffers(device, poison);
    this.launcher = createLauncher(device, this.tuning, choice);
    this.pipelines = this.launcher.pipelines;
    const wait = usual.software && isDawnForNode(device) ? waitCalmly : <T>(work: Promise<T>) => work;
    this.#submission = createSubmission(device, this.buffers, wait);
  }

  graph(): Graph {
    return new Graph();
  }

  /** The kernel of a node as this device runs it. @throws FeatureError for float16 on a device without it */
  kernelOf(node: Node): Kernel {
    return this.launcher.kernelOf(node);
  }

  /**
   * Plans, compiles and allocates a program that computes `outputs`; their keys name them later. `kernelOf` gives its kernels.
   * @throws KernelError, OutOfMemoryError, DeviceLostError, and FeatureError for float16 on a device without it
   */
  async compile(outputs: Readonly<Record<string, Tensor>>, kernelOf = this.launcher.kernelOf): Promise<Program> {
    const plan = schedule(Object.values(outputs));
    const kernels = plan.launches.map((node) => kernelOf(node));
    return this.#submission.guard(async () => {
      const launches = await this.launcher.launchesOf(plan.launches, kernels);
      const needed = plan.plan.slots.reduce((sum, bytes) => sum + bytes, 0);
      return this.allocate(`a program of ${launches.length} launches with ${mib(needed)} of intermediate results`, () => {
        const shared = { buffers: this.buffers, launcher: this.launcher, submission: this.#submission };
        const program = new Program(shared, outputs, plan, launches);
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
    if (data.length !== sizeOf(shape)) throw new Error(`parameter ${name}: ${data.length} values for ${showShape(shape)}`);
    if (dtype === 'f16') checkHalf(this.device);
    writeElements(this.device, this.buffers.parameter(name, shape, dtype).buffer, 0, data, dtype);
  }

  /** Copies a parameter to the CPU. @throws Error when no program or write made it */
  async readParameter(name: string): Promise<Float32Array> {
    const known = this.buffers.parameters.get(name);
    if (!known) throw new Error(`parameter ${name}: unknown to this engine`);
    return this.#submission.readElements(known.buffer, 0, sizeOf(known.shape), known.dtype);
  }

  /** Waits for all submitted work. @throws KernelError, OutOfMemoryError, DeviceLostError of work since the last wait */
  sync(): Promise<void> {
    return this.#submission.sync();
  }

  /** Frees what programs share: parameters, constants and slots. Each program frees its own; the caller owns the device. */
  destroy(): void {
    this.buffers.destroy();
  }
}

/**
 * An engine on any GPUDevice: Dawn's, a browser's, Deno's. The device is not owned: the caller opens and destroys it.
 * Open it with the adapter's real limits for large images, and with `timestamp-query` for profiles, `subgroups` for speed.
 */
export const createEngine = (device: GPUDevice, options: EngineOptions = {}): Engine => new Engine(device, options);
