/** A compiled program: bind groups made once, one pass and one submit per run. */
import { inputOp, labelOf, parameterOp, sizeOf, UseError, type Kernel, type LeafAttrs, type Tensor } from '../graph/index.js';
import { byteSize, itemSize, type Storage } from '../schedule/memory.js';
import { showSchedule, type Schedule } from '../schedule/schedule.js';
import { adapt, variantOf, type Variant } from '../schedule/variant.js';
import { writeElements, type Buffers } from './buffers.js';
import { checkAliasing, checkHostBuffer, checkUsage, type BufferRange, type HostBuffer } from './hostBuffers.js';
import { boundTensors, encodeLaunch, type Launch, type Launcher } from './launch.js';
import type { Submission } from './submission.js';
import type { Turns } from './turns.js';
import { COPY_DST, COPY_SRC } from './usage.js';

/** `dims` of all launches share one buffer; WebGPU binds uniforms at multiples of 256 bytes. */
const DIMS_STRIDE = 256;

/** The parts of an engine that its programs share. */
export interface Shared {
  readonly buffers: Buffers;
  readonly launcher: Launcher;
  readonly submission: Submission;
  readonly turns: Turns;
  /** The engine's. */
  readonly label: string;
}

/** Memory that is the program's own, or the caller's in its place. */
interface OwnBuffer extends HostBuffer {
  readonly isForeign?: boolean;
}

/** A share of a program's launches; default: all. */
export interface LaunchRange {
  /** The first launch. */
  readonly from?: number;
  /** One after the last launch. */
  readonly to?: number;
}

/** A compiled graph. Inputs, outputs and bind groups are its own; parameters and slots belong to the engine. */
export class Program {
  readonly #shared: Shared;
  /** For `profile`, which submits passes of its own. */
  readonly submission: Submission;
  readonly #inputs = new Map<string, Tensor>();
  readonly #own = new Map<Storage, OwnBuffer>();
  readonly #dims: GPUBuffer;
  /** The sizes it was compiled for. */
  base: Variant;
  #current: Variant;
  /** The variants that belong to the kernels it has now. */
  #variants = new WeakSet<Variant>();
  #poolVersion = -1;
  /** Whether every launch has its bind group. */
  #isBound = false;
  #destroyed = false;

  /** Made by `Engine.compile`. */
  constructor(
    shared: Shared, outputs: Readonly<Record<string, Tensor>>, readonly schedule: Schedule, public launches: readonly Launch[],
  ) {
    const { buffers, submission } = shared;
    this.#shared = shared;
    this.submission = submission;
    this.base = variantOf(outputs, launches.map((l) => l.kernel));
    this.#dims = buffers.uniform('dims', Math.max(1, launches.length) * DIMS_STRIDE);
    this.#current = this.base;
    this.#variants.add(this.base);
    this.#writeDims();
    for (const { attrs, outputs: [t] } of schedule.leaves.filter((n) => n.op === inputOp)) {
      this.#inputs.set((attrs as LeafAttrs).name, t!);
    }
    for (const storage of schedule.plan.storages) {
      const { leaf, slot, bytes } = storage;
      const isOwn = leaf ? leaf.op === inputOp : slot === undefined;
      if (isOwn) this.#own.set(storage, this.#newBuffer(storage, bytes));
    }
  }

  #newBuffer({ leaf }: Storage, bytes: number): OwnBuffer {
    return { buffer: this.#shared.buffers.storage(leaf ? labelOf(leaf) : 'output', bytes) };
  }

  #bufferOf(storage: Storage): GPUBuffer {
    const { buffers } = this.#shared;
    const { leaf } = storage;
    if (!leaf || leaf.op === inputOp) return this.#own.get(storage)?.buffer ?? buffers.slots([])[storage.slot!]!;
    const { name, shape, data } = leaf.attrs as LeafAttrs;
    const { dtype } = leaf.outputs[0]!;
    return leaf.op === parameterOp ? buffers.parameter(name, shape, dtype).buffer : buffers.constant(data!, dtype);
  }

  #rangeOf(t: Tensor, size: number): BufferRange | undefined {
    const place = this.schedule.plan.placeOf(t);
    if (!place) return undefined;
    const start = this.#own.get(place.storage)?.offset ?? place.storage.offset;
    return { buffer: this.#bufferOf(place.storage), offset: start + place.offset * itemSize(t), size };
  }

  /** @throws UseError after `destroy`, of the program or its engine */
  #checkOpen(): void {
    if (this.#destroyed) throw new UseError('program: used after destroy()');
    this.submission.checkOpen();
  }

  /** The range of a tensor that outlives the run. @throws UseError for any other */
  #lastingRangeOf(t: Tensor): BufferRange {
    this.#checkOpen();
    const resolved = this.schedule.resolve(t);
    const storage = this.schedule.plan.placeOf(resolved)?.storage;
    const lasts = storage?.leaf || (storage && this.#own.has(storage));
    if (!lasts) throw new UseError(`program: ${labelOf(t.node)} is not an output; name it when compiling`);
    return this.#rangeOf(resolved, sizeOf(t.shape) * itemSize(t))!;
  }

  /** Whether an output depends on an input of this name. */
  takes(name: string): boolean {
    return this.#inputs.has(name);
  }

  /** The input of this name; undefined if no output depends on it. @throws UseError for a name that the graph does not have */
  #inputOf(name: string): Tensor | undefined {
    const t = this.#inputs.get(name);
    if (t) return t;
    const [output] = Object.values(this.base.outputs);
    const isInput = ({ op, attrs }: Tensor['node']): boolean => op === inputOp && (attrs as LeafAttrs).name === name;
    if (output?.node.graph.nodes.some(isInput)) return undefined;
    throw new UseError(`program: no input named "${name}": it has ${[...this.#inputs.keys()].join(', ') || 'none'}`);
  }

  /**
   * Sets an input, by tensor or name. Inputs of the graph that no output depends on are ignored.
   * @throws UseError for a name that the graph does not have, or when the length is wrong
   */
  write(which: Tensor | string, data: Float32Array | readonly number[]): void {
    const name = typeof which === 'string' ? which : (which.node.attrs as LeafAttrs).name;
    const t = this.#inputOf(name);
    if (!t) return;
    const size = sizeOf(t.shape);
    if (data.length !== size) throw new UseError(`program: input ${name} takes ${size} values, got ${data.length}`);
    const { buffer, offset } = this.#lastingRangeOf(t);
    checkUsage(`program: input ${name}`, buffer, COPY_DST, 'COPY_DST');
    const values = data instanceof Float32Array ? data : Float32Array.from(data);
    writeElements(this.submission.device, buffer, offset, values, t.dtype);
  }

  /** Sets those of the inputs that an output depends on: one set of values serves graphs that take different parts of it. */
  writeTaken(values: Readonly<Record<string, Float32Array | readonly number[]>>): void {
    for (const [name, data] of Object.entries(values)) if (this.takes(name)) this.write(name, data);
  }

  /**
   * Lets an input or output live in a buffer of the caller from now on, without a copy; `undefined`: in one of its own again. The
   * caller's buffer is never written beyond the tensor's bytes (a multiple of 16) and never destroyed. Only the bind groups of
   * launches that touch the tensor are made again. Outputs built in `Graph.half` hold float16. A pass that is recorded already
   * keeps the buffer that it was recorded with.
   * @throws UseError for an unknown name, a tensor that is part of another, and a buffer that the launches cannot take
   */
  bind(name: string, host: HostBuffer | undefined): void {
    this.#checkOpen();
    const output = Object.hasOwn(this.base.outputs, name) ? this.base.outputs[name] : undefined;
    const t = output ?? this.#inputOf(name);
    if (!t) return;
    const { plan, resolve, launches: nodes } = this.schedule;
    const place = plan.placeOf(resolve(t));
    const before = place && this.#own.get(place.storage);
    if (!before || place.offset !== 0 || place.storage.bytes !== byteSize(t)) {
      const problem = 'its memory is a parameter or constant, or shared with another tensor';
      throw new UseError(`program: ${name} cannot be bound: ${problem}: compile a computed tensor of its own`);
    }
    const { storage } = place;
    if (host) checkHostBuffer(this.submission.device, `program: ${name}`, host, storage.bytes);
    const touching = nodes.filter((node) => boundTensors(node).some((b) => plan.placeOf(b)?.storage === storage));
    this.#own.set(storage, host ? { ...host, isForeign: true } : this.#newBuffer(storage, storage.bytes));
    try {
      checkAliasing(touching, (b) => this.#rangeOf(b, byteSize(b))!);
    } catch (error) {
      this.#own.set(storage, before);
      throw error;
    }
    for (const launch of this.launches) if (touching.includes(launch.node)) delete launch.bindGroup;
    this.#isBound = false;
    if (!before.isForeign) this.#shared.buffers.retire(before.buffer);
  }

  /**
   * The buffer of an output or input and its byte offset and size there, in the variant in use. Outputs built in `Graph.half`
   * hold float16. @throws UseError when there is no such output or input
   */
  buffer(which: Tensor | string): BufferRange {
    if (typeof which !== 'string') return this.#lastingRangeOf(which);
    if (Object.hasOwn(this.base.outputs, which)) {
      const t = this.#current.outputs[which]!; // at the same offset in all variants
      return { ...this.#lastingRangeOf(this.base.outputs[which]!), size: sizeOf(t.shape) * itemSize(t) };
    }
    const input = this.#inputs.get(which);
    if (!input) throw new UseError(`program: no output or input named "${which}"`);
    return this.#lastingRangeOf(input);
  }

  /**
   * Sizes at which this program can run without compiling or allocating anything. `outputs` are those of a graph built by the
   * same code for other image sizes, none larger, on the same parameters, inputs and constants. Undefined when the graph differs
   * in more than sizes.
   */
  variant(outputs: Readonly<Record<string, Tensor>>): Variant | undefined {
    const { kernelOf } = this.#shared.launcher;
    const kernels = adapt(this.schedule, this.launches.map((l) => l.kernel), Object.values(outputs), kernelOf);
    if (!kernels) return undefined;
    const variant = variantOf(outputs, kernels);
    this.#variants.add(variant);
    return variant;
  }

  /**
   * Runs other kernels from now on, one for each launch, at the sizes of a new `base`; earlier variants are void.
   * @throws KernelError, after which it has the kernels that it had
   */
  async replace(kernels: readonly Kernel[]): Promise<void> {
    this.launches = await this.#shared.launcher.launchesOf(this.schedule.launches, kernels);
    this.base = this.#current = variantOf(this.base.outputs, kernels);
    this.#variants = new WeakSet([this.base]);
    this.#writeDims();
    this.#isBound = false;
  }

  /** From now on runs at the sizes of `variant`, one of this program's own (or its `base`). */
  use(variant: Variant): void {
    if (variant === this.#current) return;
    if (!this.#variants.has(variant)) throw new UseError('program: the variant belongs to other kernels: make it again');
    this.#current = variant;
    this.launches.forEach((launch, i) => {
      launch.workgroups = [...variant.workgroups.subarray(3 * i, 3 * i + 3)] as [number, number, number];
    });
    this.#writeDims();
  }

  #writeDims(): void {
    const { dims, fields } = this.#current;
    const data = new Uint32Array(this.#dims.size / 4);
    let from = 0;
    fields.forEach((count, i) => {
      data.set(dims.subarray(from, from + count), (i * DIMS_STRIDE) / 4);
      from += count;
    });
    this.submission.device.queue.writeBuffer(this.#dims, 0, data);
  }

  /** Makes bind groups if they are missing or the pool has grown since. Called by `encode` and `run`. @throws as `encode` */
  prepare(): void {
    this.#checkOpen();
    const { buffers, launcher: { pipelines }, submission: { device }, turns } = this.#shared;
    if (this.schedule.plan.slots.length > 0) turns.check(this);
    const isSame = this.#poolVersion === buffers.version();
    if (isSame && this.#isBound) return;
    buffers.slots(this.schedule.plan.slots);
    this.launches.forEach((launch, index) => {
      if (isSame && launch.bindGroup) return;
      const { node, kernel: { dims, workgroupsPerTurn }, bindings } = launch;
      const resources = [
        ...(dims ? [{ buffer: this.#dims, offset: index * DIMS_STRIDE, size: Math.ceil(dims.length / 4) * 16 }] : []),
        ...boundTensors(node).map((t) => this.#rangeOf(t, byteSize(t))!),
        ...(workgroupsPerTurn ? [{ buffer: buffers.queue() }] : []),
      ];
      const entries = resources.map((resource, binding) => ({ binding, resource }));
      launch.bindGroup = device.createBindGroup({ label: labelOf(node), layout: pipelines.layout(bindings), entries });
    });
    this.#poolVersion = buffers.version();
    this.#isBound = true;
  }

  /**
   * Records launches into the caller's pass: all, or the share `from` to `to`, for a host that has a frame to keep. The shares of
   * a run follow one another from 0 to `launches.length`; until the last one is recorded, the results so far are in memory that
   * all programs share. The passes run when the caller submits them, in the order of recording.
   * @throws UseError when another program of the engine is between two shares, or when this one's launches before `from` are not
   * recorded yet
   */
  encode(pass: GPUComputePassEncoder, { from = 0, to = this.launches.length }: LaunchRange = {}): void {
    this.#shared.buffers.recorded();
    this.record(pass, from, to);
  }

  /** As `encode`, for a pass that is submitted before anything else is compiled. */
  record(pass: GPUComputePassEncoder, from = 0, to = this.launches.length): void {
    this.prepare();
    if (this.schedule.plan.slots.length > 0) this.#shared.turns.take(this, from, to, this.launches.length);
    let pipeline: GPUComputePipeline | undefined;
    for (const launch of this.launches.slice(from, to)) {
      encodeLaunch(pass, launch, launch.pipeline !== pipeline);
      pipeline = launch.pipeline;
    }
  }

  /** One pass, one submit. Does not wait; the next `read` or `engine.sync()` throws its errors. */
  run(): void {
    this.submission.submit((encoder) => {
      const pass = encoder.beginComputePass({ label: this.#shared.label });
      this.record(pass);
      pass.end();
    });
  }

  /** Copies an output or input to the CPU, in order with earlier runs. @throws as `engine.sync()` */
  async read(which: Tensor | string): Promise<Float32Array> {
    const { buffer, offset, size } = this.buffer(which);
    checkUsage('program: read', buffer, COPY_SRC, 'COPY_SRC');
    const { dtype } = typeof which === 'string' ? (this.base.outputs[which] ?? this.#inputs.get(which)!) : which;
    return this.submission.readElements(buffer, offset, size / itemSize({ dtype }), dtype);
  }

  #ownBuffers(): GPUBuffer[] {
    return [...this.#own.values()].flatMap(({ buffer, isForeign }) => (isForeign ? [] : [buffer])).concat(this.#dims);
  }

  /** Bytes that only this program holds: inputs and outputs that the caller did not bind, and `dims`. */
  ownBytes(): number {
    return this.#ownBuffers().reduce((sum, b) => sum + b.size, 0);
  }

  /** The schedule: one launch per line with the places of its tensors. */
  toString(): string {
    return showSchedule(this.schedule);
  }

  /** Frees what is its own; parameters, pipelines and slots stay with the engine, and the caller's buffers with the caller. */
  destroy(): void {
    for (const buffer of this.#ownBuffers()) buffer.destroy();
    this.#shared.turns.release(this);
    this.#destroyed = true;
  }
}
