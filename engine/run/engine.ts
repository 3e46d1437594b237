/** The engine: a device someone else opened, and what all programs on it share. */
import { allocating, createBuffers, writeElements, type Buffers } from './buffers.js';
import { DeviceLostError, FeatureError, KernelError, mib, OutOfMemoryError } from './errors.js';
import { Graph, labelOf, type Dtype, type Node, type Tensor } from '../graph/graph.js';
import { fromHalves } from './half.js';
import { linearGrid, type Kernel, type KernelVariant, type Tuning } from '../graph/kernel.js';
import { itemSize } from '../schedule/memory.js';
import { waitCalmly } from './patience.js';
import { createPipelineCache, type PipelineCache } from './pipelines.js';
import { bindingsOf, boundTensors, Program, type Launch } from './program.js';
import { schedule } from '../schedule/schedule.js';
import { halfStorage } from '../../shaders/rewrite/halfStorage.js';
import { workQueue } from '../../shaders/rewrite/workQueue.js';
import { sizeOf, type Shape } from '../graph/shape.js';
import { traitsOf, tuningFor } from './tuning.js';

/** Workgroups launched for each turn in a queue, so that a core can take so many times its share. Those that find no turn left cost a microsecond each. */
const QUEUE_SHARE = 2;

export interface EngineOptions {
  /** Forces kernel variants; default: chosen from the device by engine/run/tuning.ts. */
  readonly tuning?: Partial<Tuning>;
  /** Other kernels for some ops, by the op's name, in place of the project's own. */
  readonly kernels?: Readonly<Record<string, KernelVariant>>;
  /** Fills every new buffer with NaN, so that an element nobody wrote shows. For tests. */
  readonly poison?: boolean;
}

/** Made by `createEngine`. */
export class Engine {
  readonly tuning: Tuning;
  readonly pipelines: PipelineCache;
  readonly buffers: Buffers;
  readonly #kernels: Readonly<Record<string, KernelVariant>>;
  readonly #wait: <T>(work: Promise<T>) => Promise<T>;
  #lost: string | undefined;
  /** Error scopes of submits whose answers are out, and the first error among those that came. */
  readonly #pending = new Set<Promise<void>>();
  #failure: GPUError | undefined;

  constructor(readonly device: GPUDevice, { tuning, kernels = {}, poison = false }: EngineOptions) {
    this.#kernels = kernels;
    const usual = tuningFor(traitsOf(device));
    this.tuning = { ...usual, ...tuning };
    this.#wait = usual.software ? waitCalmly : (work) => work;
    this.pipelines = createPipelineCache(device);
    this.buffers = createBuffers(device, poison);
    void device.lost.then(({ reason, message }) => {
      this.#lost = [reason, message].filter(Boolean).join(': ');
    });
  }

  graph(): Graph {
    return new Graph();
  }

  /** The launch of a node on this device. */
  kernelOf(node: Node): Kernel {
    const usual = node.op.kernel!(node, this.tuning);
    const kernel = this.#kernels[node.op.name]?.(node, usual, this.tuning) ?? usual;
    return this.#queued(node, this.#stored(node, kernel));
  }

  /** The kernel with those of its bindings in half precision whose tensors are. */
  #stored(node: Node, kernel: Kernel): Kernel {
    const tensors = boundTensors(node);
    if (tensors.every((t) => t.dtype === 'f32')) return kernel;
    this.#checkHalf();
    const first = kernel.dims ? 1 : 0;
    const bindings = tensors.flatMap((t, i) => (t.dtype === 'f16' ? [first + i] : []));
    return { ...kernel, code: halfStorage(kernel.code, bindings) };
  }

  /** The kernel as it is launched: one that may take its workgroups from a queue does where the device wants that and has a binding left for it. */
  #queued(node: Node, { queued = 0, ...kernel }: Kernel): Kernel {
    const tensors = boundTensors(node).length;
    if (!queued || !this.tuning.queue || tensors >= this.device.limits.maxStorageBuffersPerShaderStage) return kernel;
    const { code, dims = [], workgroups } = kernel;
    const count = workgroups.reduce((product, n) => product * n);
    return {
      ...kernel,
      code: workQueue(code, 1 + tensors, queued),
      dims: [...workgroups, ...dims],
      workgroups: linearGrid(QUEUE_SHARE * Math.ceil(count / queued), 1),
      queued,
    };
  }

  /**
   * Plans, compiles and allocates a program that computes `outputs`, which are what it can be asked for by name later.
   * @throws KernelError, OutOfMemoryError, DeviceLostError, and FeatureError for float16 on a device without it
   */
  async compile(outputs: Readonly<Record<string, Tensor>>): Promise<Program> {
    const plan = schedule(Object.values(outputs));
    const kernels = plan.launches.map((node) => this.kernelOf(node));
    return this.guard(async () => {
      const launches = await this.#launchesOf(plan.launches, kernels);
      const needed = plan.plan.slots.reduce((sum, bytes) => sum + bytes, 0);
      return this.allocate(`a program of ${launches.length} launches with ${mib(needed)} of intermediate results`, () => {
        const program = new Program(this, outputs, plan, launches);
        program.prepare();
        return program;
      });
    });
  }

  /** Begins with the longest sources: the last to come would otherwise keep one processor busy while the others wait. */
  #launchesOf(nodes: readonly Node[], kernels: readonly Kernel[]): Promise<Launch[]> {
    const launches: Promise<Launch>[] = [];
    const longestFirst = [...nodes.keys()].sort((a, b) => kernels[b]!.code.length - kernels[a]!.code.length);
    for (const i of longestFirst) launches[i] = this.#launchOf(nodes[i]!, kernels[i]!);
    return Promise.all(launches);
  }

  async #launchOf(node: Node, kernel: Kernel): Promise<Launch> {
    const bindings = bindingsOf(node, kernel);
    return { node, kernel, bindings, workgroups: kernel.workgroups, pipeline: await this.pipelines.get(labelOf(node), kernel, bindings) };
  }

  /** Does `make`, which makes buffers. @throws OutOfMemoryError with the figures when the device's memory does not suffice */
  allocate<T>(what: string, make: () => T): Promise<T> {
    const held = this.buffers.heldBytes();
    return allocating(this.device, `${what}, with ${mib(held)} held before`, make).catch((error: unknown) => {
      if (error instanceof OutOfMemoryError) this.buffers.dropSlots();
      throw error;
    });
  }

  /** Sets a parameter's values; makes it, of elements of `dtype`, on first use. @throws FeatureError for float16 on a device without it */
  writeParameter(name: string, shape: Shape, data: Float32Array, dtype: Dtype = 'f32'): void {
    if (data.length !== sizeOf(shape)) throw new Error(`parameter ${name}: ${data.length} values for [${shape.join(', ')}]`);
    if (dtype === 'f16') this.#checkHalf();
    writeElements(this.device, this.buffers.parameter(name, shape, dtype).buffer, 0, data, dtype);
  }

  /** Copies a parameter to the CPU. @throws Error when no program or write made it */
  async readParameter(name: string): Promise<Float32Array> {
    const known = this.buffers.parameters.get(name);
    if (!known) throw new Error(`parameter ${name}: unknown to this engine`);
    return this.readElements(known.buffer, 0, sizeOf(known.shape), known.dtype);
  }

  /** Encodes and submits under error scopes that `sync` and `read` look at. */
  submit(encode: (encoder: GPUCommandEncoder) => void): void {
    this.#check();
    const { device } = this;
    device.pushErrorScope('out-of-memory');
    device.pushErrorScope('validation');
    try {
      const encoder = device.createCommandEncoder();
      encode(encoder);
      device.queue.submit([encoder.finish()]);
    } finally {
      this.#watch(device.popErrorScope());
      this.#watch(device.popErrorScope());
    }
  }

  #watch(scope: Promise<GPUError | null>): void {
    const answer = scope
      .then((error) => void (this.#failure ??= error ?? undefined), () => undefined) // refused by a lost device, which #check reports
      .finally(() => this.#pending.delete(answer));
    this.#pending.add(answer);
  }

  /** Waits for all submitted work. @throws what went wrong meanwhile */
  async sync(): Promise<void> {
    await this.guard(() => this.device.queue.onSubmittedWorkDone());
  }

  /** Copies part of a buffer to the CPU, in order with what was submitted before. */
  read(buffer: GPUBuffer, offset: number, bytes: number): Promise<Float32Array> {
    return this.guard(() => this.buffers.read(buffer, offset, bytes));
  }

  /** Likewise `count` elements of a type, as numbers. */
  async readElements(buffer: GPUBuffer, offset: number, count: number, dtype: Dtype): Promise<Float32Array> {
    const words = await this.read(buffer, offset, Math.ceil((count * itemSize({ dtype })) / 4) * 4);
    return dtype === 'f32' ? words : fromHalves(new Uint16Array(words.buffer, 0, count));
  }

  #checkHalf(): void {
    if (!this.device.features.has('shader-f16')) throw new FeatureError('float16 needs the feature shader-f16, which this device does not have');
  }

  #check(): void {
    if (this.#lost !== undefined) throw new DeviceLostError(`the GPU device was lost (${this.#lost})`);
  }

  /** Does `work`, then throws errors of earlier submits as typed errors; a lost device explains whatever else failed. */
  async guard<T>(work: () => Promise<T>): Promise<T> {
    this.#check();
    const result = await this.#wait(work()).catch(async (error: unknown) => {
      await Promise.race([this.device.lost, new Promise((resolve) => setTimeout(resolve, 50))]);
      this.#check();
      throw error;
    });
    await Promise.all(this.#pending);
    this.#check();
    const failure = this.#failure;
    this.#failure = undefined;
    if (!failure) return result;
    const isMemory = failure.constructor.name === 'GPUOutOfMemoryError';
    throw new (isMemory ? OutOfMemoryError : KernelError)(failure.message);
  }

  /** Frees what programs share: parameters, constants and slots. Each program frees its own; the device stays with whoever opened it. */
  destroy(): void {
    this.buffers.destroy();
  }
}

/**
 * An engine on any GPUDevice: Dawn's, a browser's, Deno's. The device is not owned: the caller opens and destroys it.
 * Open it with the adapter's real limits for large images, and with `timestamp-query` for profiles, `subgroups` for speed.
 */
export const createEngine = (device: GPUDevice, options: EngineOptions = {}): Engine => new Engine(device, options);
