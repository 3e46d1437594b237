/** A compiled program: bind groups made once, one pass and one submit per run. */
import { inputOp, labelOf, parameterOp, sizeOf, type Kernel, type LeafAttrs, type Tensor } from '../graph/index.js';
import { byteSize, itemSize, type Storage } from '../schedule/memory.js';
import { showSchedule, type Schedule } from '../schedule/schedule.js';
import { adapt, variantOf, type Variant } from '../schedule/variant.js';
import { writeElements, type Buffers } from './buffers.js';
import { boundTensors, encodeLaunch, type Launch, type Launcher } from './launch.js';
import type { Submission } from './submission.js';

/** `dims` of all launches share one buffer; WebGPU binds uniforms at multiples of 256 bytes. */
const DIMS_STRIDE = 256;

/** The parts of an engine that its programs share. */
interface Shared {
  readonly buffers: Buffers;
  readonly launcher: Launcher;
  readonly submission: Submission;
}

/** Part of a buffer, in bytes. */
interface BufferRange {
  readonly buffer: GPUBuffer;
  readonly offset: number;
  readonly size: number;
}

/** A compiled graph. Inputs, outputs and bind groups are its own; parameters and slots belong to the engine. */
export class Program {
  readonly #shared: Shared;
  /** For `profile`, which submits passes of its own. */
  readonly submission: Submission;
  readonly #inputs = new Map<string, Tensor>();
  readonly #own = new Map<Storage, GPUBuffer>();
  readonly #dims: GPUBuffer;
  /** The sizes it was compiled for. */
  base: Variant;
  #current: Variant;
  /** The variants that belong to the kernels it has now. */
  #variants = new WeakSet<Variant>();
  #poolVersion = -1;
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
      if (isOwn) this.#own.set(storage, buffers.storage(leaf ? labelOf(leaf) : 'output', bytes));
    }
  }

  #bufferOf(storage: Storage): GPUBuffer {
    const { buffers } = this.#shared;
    const { leaf } = storage;
    if (!leaf || leaf.op === inputOp) return this.#own.get(storage) ?? buffers.slots([])[storage.slot!]!;
    const { name, shape, data } = leaf.attrs as LeafAttrs;
    const { dtype } = leaf.outputs[0]!;
    return leaf.op === parameterOp ? buffers.parameter(name, shape, dtype).buffer : buffers.constant(data!, dtype);
  }

  #rangeOf(t: Tensor, size: number): BufferRange | undefined {
    const place = this.schedule.plan.placeOf(t);
    return place && { buffer: this.#bufferOf(place.storage), offset: place.storage.offset + place.offset * itemSize(t), size };
  }

  /** The range of a tensor that outlives the run. @throws Error for any other */
  #lastingRangeOf(t: Tensor): BufferRange {
    if (this.#destroyed) throw new Error('program: used after destroy()');
    const resolved = this.schedule.resolve(t);
    const storage = this.schedule.plan.placeOf(resolved)?.storage;
    const lasts = storage?.leaf || (storage && this.#own.has(storage));
    if (!lasts) throw new Error(`program: ${labelOf(t.node)} is not an output; name it when compiling`);
    return this.#rangeOf(resolved, sizeOf(t.shape) * itemSize(t))!;
  }

  /** Sets an input, by tensor or name. Inputs that no output depends on are ignored. @throws Error when the length is wrong */
  write(which: Tensor | string, data: Float32Array | readonly number[]): void {
    const name = typeof which === 'string' ? which : (which.node.attrs as LeafAttrs).name;
    const t = this.#inputs.get(name);
    if (!t) return;
    const size = sizeOf(t.shape);
    if (data.length !== size) throw new Error(`program: input ${name} takes ${size} values, got ${data.length}`);
    const { buffer, offset } = this.#lastingRangeOf(t);
    writeElements(this.submission.device, buffer, offset, Float32Array.from(data), t.dtype);
  }

  /**
   * The buffer of an output or input and its byte offset and size there, in the variant in use. Outputs built in `Graph.half`
   * hold float16. @throws Error when there is no such output or input
   */
  buffer(which: Tensor | string): BufferRange {
    if (typeof which !== 'string') return this.#lastingRangeOf(which);
    if (Object.hasOwn(this.base.outputs, which)) {
      const t = this.#current.outputs[which]!; // at the same offset in all variants
      return { ...this.#lastingRangeOf(this.base.outputs[which]!), size: sizeOf(t.shape) * itemSize(t) };
    }
    const input = this.#inputs.get(which);
    if (!input) throw new Error(`program: no output or input named "${which}"`);
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
    this.#poolVersion = -1;
  }

  /** From now on runs at the sizes of `variant`, one of this program's own (or its `base`). */
  use(variant: Variant): void {
    if (variant === this.#current) return;
    if (!this.#variants.has(variant)) throw new Error('program: the variant belongs to other kernels: make it again');
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

  /** Makes bind groups if they are missing or the pool has grown since. Called by `encode` and `run`. */
  prepare(): void {
    if (this.#destroyed) throw new Error('program: used after destroy()');
    const { buffers, launcher: { pipelines }, submission: { device } } = this.#shared;
    if (this.#poolVersion === buffers.version()) return;
    buffers.slots(this.schedule.plan.slots);
    this.launches.forEach((launch, index) => {
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
  }

  /** Records all launches into the caller's pass. Submit it before a larger program is compiled: that may replace slots. */
  encode(pass: GPUComputePassEncoder): void {
    this.prepare();
    let pipeline: GPUComputePipeline | undefined;
    for (const launch of this.launches) {
      encodeLaunch(pass, launch, launch.pipeline !== pipeline);
      pipeline = launch.pipeline;
    }
  }

  /** One pass, one submit. Does not wait; the next `read` or `engine.sync()` throws its errors. */
  run(): void {
    this.submission.submit((encoder) => {
      const pass = encoder.beginComputePass();
      this.encode(pass);
      pass.end();
    });
  }

  /** Copies an output to the CPU, in order with earlier runs. @throws as `engine.sync()` */
  async read(which: Tensor | string): Promise<Float32Array> {
    const { buffer, offset, size } = this.buffer(which);
    const { dtype } = typeof which === 'string' ? (this.base.outputs[which] ?? this.#inputs.get(which)!) : which;
    return this.submission.readElements(buffer, offset, size / itemSize({ dtype }), dtype);
  }

  /** Bytes that only this program holds: inputs, outputs and `dims`. */
  ownBytes(): number {
    return [...this.#own.values()].reduce((sum, b) => sum + b.size, this.#dims.size);
  }

  /** The schedule: one launch per line with the places of its tensors. */
  toString(): string {
    return showSchedule(this.schedule);
  }

  /** Frees what is its own; parameters, pipelines and slots stay with the engine. */
  destroy(): void {
    for (const buffer of this.#own.values()) buffer.destroy();
    this.#dims.destroy();
    this.#destroyed = true;
  }
}
