/** A compiled program: bind groups made once, one pass and one submit per run. */
import type { Engine } from './engine.js';
import { inputOp, labelOf, parameterOp, type LeafAttrs, type Node, type Tensor } from '../graph/graph.js';
import type { Kernel } from '../graph/kernel.js';
import { byteSize, itemSize, type Storage } from '../schedule/memory.js';
import type { Binding } from './pipelines.js';
import { profileLaunches, type ProfileRow } from './profile.js';
import { showSchedule, type Schedule } from '../schedule/schedule.js';
import { sizeOf } from '../graph/shape.js';
import { adapt, variantOf, type Variant } from '../schedule/variant.js';

/** `dims` of all launches share one buffer; WebGPU binds uniforms at multiples of 256 bytes. */
const DIMS_STRIDE = 256;

/** A launch with all that the GPU needs; the bind group is made anew only when the slot pool grew. */
export interface Launch {
  readonly node: Node;
  readonly kernel: Kernel;
  readonly bindings: readonly Binding[];
  readonly pipeline: GPUComputePipeline;
  /** Of the variant in use. */
  workgroups: readonly [number, number, number];
  bindGroup?: GPUBindGroup;
}

/** The tensors that a node's launch binds, after `dims`: inputs, then outputs that are not overwritten inputs. */
export const boundTensors = (node: Node): Tensor[] => [...node.inputs, ...node.outputs.slice(node.op.inPlace ?? 0)];

/** Binding kinds of a node's launch, in the order engine/graph/kernel.ts lays down. */
export function bindingsOf(node: Node, kernel: Kernel): Binding[] {
  const inPlace = node.op.inPlace ?? 0;
  return [
    ...(kernel.dims ? (['uniform'] as const) : []),
    ...node.inputs.map((_, i): Binding => (i < inPlace ? 'storage' : 'read-only-storage')),
    ...node.outputs.slice(inPlace).map((): Binding => 'storage'),
    ...(kernel.queued ? (['storage'] as const) : []),
  ];
}

/** What `Engine.compile` returns. Inputs, outputs and bind groups are its own; parameters and slots belong to the engine. */
export class Program {
  readonly #inputs = new Map<string, Tensor>();
  readonly #own = new Map<Storage, GPUBuffer>();
  readonly #dims: GPUBuffer;
  /** The sizes it was compiled for. */
  readonly base: Variant;
  #current: Variant;
  #poolVersion = -1;
  #destroyed = false;

  /** Made by `Engine.compile`. */
  constructor(
    readonly engine: Engine,
    outputs: Readonly<Record<string, Tensor>>,
    readonly schedule: Schedule,
    readonly launches: readonly Launch[],
  ) {
    const { buffers } = engine;
    this.base = variantOf(outputs, launches.map((l) => l.kernel));
    this.#dims = buffers.uniform('dims', Math.max(1, launches.length) * DIMS_STRIDE);
    this.#current = this.base;
    this.#writeDims();
    for (const node of schedule.leaves) {
      if (node.op === inputOp) this.#inputs.set((node.attrs as LeafAttrs).name, node.outputs[0]!);
    }
    for (const storage of schedule.plan.storages) {
      const isInput = storage.leaf?.op === inputOp;
      if (!isInput && (storage.leaf || storage.slot !== undefined)) continue;
      this.#own.set(storage, buffers.storage(isInput ? labelOf(storage.leaf!) : 'output', storage.bytes));
    }
  }

  #bufferOf(storage: Storage): GPUBuffer {
    const { buffers } = this.engine;
    const attrs = storage.leaf?.attrs as LeafAttrs | undefined;
    if (storage.leaf?.op === parameterOp) return buffers.parameter(attrs!.name, attrs!.shape, storage.leaf.outputs[0]!.dtype).buffer;
    if (attrs?.data) return buffers.constant(attrs.data, storage.leaf!.outputs[0]!.dtype);
    return this.#own.get(storage) ?? buffers.slots([])[storage.slot!]!;
  }

  /** Buffer, offset and size in bytes of a tensor that outlives the run. @throws Error for any other */
  #home(t: Tensor): { buffer: GPUBuffer; offset: number; size: number } {
    if (this.#destroyed) throw new Error('program: used after destroy()');
    const { storage, offset } = this.schedule.plan.placeOf(this.schedule.resolve(t));
    if (!storage.leaf && !this.#own.has(storage)) throw new Error(`program: ${labelOf(t.node)} is not an output; name it when compiling`);
    return { buffer: this.#bufferOf(storage), offset: storage.offset + offset * itemSize(t), size: sizeOf(t.shape) * itemSize(t) };
  }

  /** An output in the variant in use: where it lies is the same for all, its size is not. */
  #output(name: string): { buffer: GPUBuffer; offset: number; size: number } {
    const t = this.#current.outputs[name]!;
    return { ...this.#home(this.base.outputs[name]!), size: sizeOf(t.shape) * itemSize(t) };
  }

  /** Sets an input, by tensor or name. Inputs nothing depends on are ignored. @throws Error when the length is wrong */
  write(which: Tensor | string, data: Float32Array | readonly number[]): void {
    const name = typeof which === 'string' ? which : (which.node.attrs as LeafAttrs).name;
    const t = this.#inputs.get(name);
    if (!t) return;
    if (data.length !== sizeOf(t.shape)) throw new Error(`program: input ${name} takes ${sizeOf(t.shape)} values, got ${data.length}`);
    const { buffer, offset } = this.#home(t);
    this.engine.device.queue.writeBuffer(buffer, offset, Float32Array.from(data));
  }

  /** The buffer an output (or input) lives in and its byte offset there; the first element is at the offset. Outputs built in `Graph.half` hold float16. */
  buffer(which: Tensor | string): { readonly buffer: GPUBuffer; readonly offset: number; readonly size: number } {
    if (typeof which !== 'string') return this.#home(which);
    if (Object.hasOwn(this.base.outputs, which)) return this.#output(which);
    const input = this.#inputs.get(which);
    if (!input) throw new Error(`program: no output or input named "${which}"`);
    return this.#home(input);
  }

  /**
   * Sizes at which this program can run without compiling or allocating anything: `outputs` are those of a graph built by the same
   * code for other image sizes, none larger. Absent when the graph differs in more than sizes. Parameters, inputs and constants
   * must be the same.
   */
  variant(outputs: Readonly<Record<string, Tensor>>): Variant | undefined {
    const kernels = adapt(this.schedule, this.launches.map((l) => l.kernel), Object.values(outputs), (node) => this.engine.kernelOf(node));
    return kernels && variantOf(outputs, kernels);
  }

  /** From now on runs at the sizes of `variant`, one of this program's own (or its `base`). */
  use(variant: Variant): void {
    if (variant === this.#current) return;
    this.#current = variant;
    this.launches.forEach((launch, i) => (launch.workgroups = [...variant.workgroups.subarray(3 * i, 3 * i + 3)] as [number, number, number]));
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
    this.engine.device.queue.writeBuffer(this.#dims, 0, data);
  }

  #makeBindGroups(): void {
    const { device, buffers, pipelines } = this.engine;
    const { placeOf, slots } = this.schedule.plan;
    if (this.#poolVersion === buffers.version()) return;
    buffers.slots(slots);
    this.launches.forEach((launch, index) => {
      const { node, kernel, bindings } = launch;
      const tensors = boundTensors(node).map((t) => {
        const { storage, offset } = placeOf(t);
        return { buffer: this.#bufferOf(storage), offset: storage.offset + offset * itemSize(t), size: byteSize(t) };
      });
      const uniform = kernel.dims ? [{ buffer: this.#dims, offset: index * DIMS_STRIDE, size: Math.ceil(kernel.dims.length / 4) * 16 }] : [];
      launch.bindGroup = device.createBindGroup({
        label: labelOf(node),
        layout: pipelines.layout(bindings),
        entries: [...uniform, ...tensors, ...(kernel.queued ? [{ buffer: buffers.queue() }] : [])].map((resource, binding) => ({ binding, resource })),
      });
    });
    this.#poolVersion = buffers.version();
  }

  /** Makes bind groups if they are missing or the pool has grown since. Called by `encode` and `run`. */
  prepare(): void {
    if (this.#destroyed) throw new Error('program: used after destroy()');
    this.#makeBindGroups();
  }

  /**
   * Records all launches into the caller's pass. The caller submits, before a larger program is compiled: that may replace slots
   * this one has recorded.
   */
  encode(pass: GPUComputePassEncoder): void {
    this.prepare();
    let pipeline: GPUComputePipeline | undefined;
    for (const launch of this.launches) {
      encodeLaunch(pass, launch, launch.pipeline !== pipeline);
      pipeline = launch.pipeline;
    }
  }

  /** One pass, one submit. Does not wait; errors surface at the next `read` or `engine.sync()`. */
  run(): void {
    this.engine.submit((encoder) => {
      const pass = encoder.beginComputePass();
      this.encode(pass);
      pass.end();
    });
  }

  /** Copies an output to the CPU, in order with the runs submitted before. */
  async read(which: Tensor | string): Promise<Float32Array> {
    const { buffer, offset, size } = this.buffer(which);
    const { dtype } = typeof which === 'string' ? (this.base.outputs[which] ?? this.#inputs.get(which)!) : which;
    return this.engine.readElements(buffer, offset, size / itemSize({ dtype }), dtype);
  }

  /** Runs `repeats` times with a timestamp around every launch; medians, in order. See `showProfile`. */
  async profile(repeats = 5): Promise<ProfileRow[]> {
    this.prepare();
    return profileLaunches(this.engine, this.launches, repeats);
  }

  /** Bytes only this program holds: inputs and outputs. */
  ownBytes(): number {
    return [...this.#own.values()].reduce((sum, b) => sum + b.size, this.#dims.size);
  }

  /** The schedule: one launch per line with where its tensors lie. */
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

/** `changes`: the pass has another pipeline set, or none. */
export function encodeLaunch(pass: GPUComputePassEncoder, { pipeline, bindGroup, workgroups }: Launch, changes = true): void {
  if (changes) pass.setPipeline(pipeline);
  pass.setBindGroup(0, bindGroup!);
  pass.dispatchWorkgroups(workgroups[0], workgroups[1], workgroups[2]);
}
