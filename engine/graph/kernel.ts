/** A launch as an op describes it to the engine, and a device as the engine describes it to an op. */
import type { tiles } from '../../shaders/matmul.js';
import type { MatrixUnits } from '../../shaders/units/usable.js';
import { MAX_GRID } from '../../shaders/parts/common.js';

/**
 * One launch. Bindings of the WGSL, all in group 0, in this order: the `dims` uniform if there is one, the node's inputs
 * (`read`, or `read_write` for those it overwrites), the outputs that are not overwritten inputs (`read_write`).
 *
 * The WGSL is rewritten before it is compiled: for tensors stored as float16 (shaders/rewrite/halfStorage.ts) and for
 * workgroups taken from a queue (shaders/rewrite/workQueue.ts); engine/run/launch.ts decides when.
 */
export interface Kernel {
  /** WGSL with one entry point `main`. */
  readonly code: string;
  /** Values of `override`s: what never changes for a model. Integers unless the override is an f32. */
  readonly constants?: Readonly<Record<string, number>>;
  /**
   * Fields of `var<uniform> dims`, in order: what changes with the image and, in products and convolutions, from layer to
   * layer, so that one pipeline serves them all. u32 as they are, f32 through `f32Bits`.
   */
  readonly dims?: readonly number[];
  readonly workgroups: readonly [number, number, number];
  /**
   * Workgroups that a core of a CPU takes from the queue at a time: 1 if one takes tens of microseconds, more if it is short.
   * 0 or absent: the kernel never uses the queue. Only for kernels with `dims` whose workgroups are one subgroup.
   */
  readonly workgroupsPerTurn?: number;
  /** Floating-point operations, for the profile; a multiply-add counts two. */
  readonly flops?: number;
}

/** The properties of a device that kernels may depend on. Chosen once when the engine is made; see `tuningFor`. */
export interface Tuning {
  readonly name: string;
  /** The device is a CPU: there are no caches to tile for, and barriers are expensive. */
  readonly software: boolean;
  /** Lanes of a subgroup if the size is fixed and subgroup operations are on, else 0. */
  readonly subgroupSize: number;
  /** Kernels with `workgroupsPerTurn` take their workgroups from a queue. */
  readonly queue: boolean;
  /** Threads of a workgroup for pointwise kernels and row reductions. A power of two. */
  readonly workgroupSize: number;
  /** The tile of matrix products on a GPU; absent: one that suits the product. */
  readonly tile?: keyof typeof tiles;
  /**
   * Few threads with many sums each keep the GPU as busy as many with few, and load less: its waves have registers enough. For
   * products, and attention and its gradient; the tiles of convolutions are padded then.
   */
  readonly manySums?: boolean;
  /**
   * The device's matrix units. Those of f16 compute the linear layers whose weights are stored as float16, those of f32 all whose
   * sizes are multiples of 4.
   */
  readonly units?: MatrixUnits | undefined;
  /** Channels of a convolution's tile on a GPU; absent: as many as suit the convolution. */
  readonly channels?: 16 | 32;
  /** Plain loops in place of tiles: slow, and what calibration compares other kernels with. */
  readonly plain?: boolean;
}

/** The bits of `value` as an f32, for an f32 field of `dims`. */
export const f32Bits = (value: number): number => new Uint32Array(Float32Array.of(value).buffer)[0]!;

export const ceilDiv = (a: number, b: number): number => Math.ceil(a / b);

/** A grid of `ceil(threads / workgroupSize)` workgroups, folded into a second axis above WebGPU's limit. See `linear_index`. */
export function linearGrid(threads: number, workgroupSize: number): [number, number, number] {
  const groups = ceilDiv(threads, workgroupSize);
  return [Math.min(groups, MAX_GRID), ceilDiv(groups, MAX_GRID), 1];
}
