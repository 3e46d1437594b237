/** What an op tells the engine about its launch, and what the engine tells an op about the device. */
import { MAX_GRID } from '../../shaders/parts/common.js';
import type { Node } from './graph.js';

/**
 * One launch. Bindings of the WGSL, all in group 0, in this order: the `dims` uniform if there is one, the node's inputs
 * (`read`, or `read_write` for those it overwrites), the outputs that are not overwritten inputs (`read_write`).
 */
export interface Kernel {
  /** WGSL with one entry point `main`. */
  readonly code: string;
  /** Values of `override`s: what never changes for a model. Integers unless the override is an f32. */
  readonly constants?: Readonly<Record<string, number>>;
  /**
   * Fields of `var<uniform> dims`, in order: what changes with the image, and in products and convolutions what changes from layer to layer, so that
   * one pipeline serves them all. u32 as they are, f32 through `f32Bits`.
   */
  readonly dims?: readonly number[];
  readonly workgroups: readonly [number, number, number];
  /**
   * A device that is a CPU takes the workgroups from a queue, so many at a time: 1 where one takes tens of microseconds, more where it is short, 0 for
   * never. Only for workgroups that are one subgroup, and kernels with `dims`. See shaders/rewrite/workQueue.ts.
   */
  readonly queued?: number;
  /** Floating-point operations, for the profile; a multiply-add counts two. */
  readonly flops?: number;
}

/** Another kernel for a node of an op: `usual` is the project's own. Undefined where it cannot do this node: the usual one then runs. */
export type KernelVariant = (node: Node, usual: Kernel, tuning: Tuning) => Kernel | undefined;

/** What kernels may know of the device. Chosen once when the engine is made; see `tuningFor`. */
export interface Tuning {
  readonly name: string;
  /** A CPU pretends to be a GPU: no caches to tile for, barriers are dear. */
  readonly software: boolean;
  /** Lanes of a subgroup where the size is fixed and subgroup operations are on, else 0. */
  readonly subgroupSize: number;
  /** Kernels that are `queued` take their workgroups from a queue. */
  readonly queue: boolean;
  /** Threads of a workgroup for pointwise kernels and row reductions. A power of two. */
  readonly workgroupSize: number;
}

/** The bits of `value` as an f32, for an f32 field of `dims`. */
export function f32Bits(value: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, value);
  return view.getUint32(0);
}

export const ceilDiv = (a: number, b: number): number => Math.ceil(a / b);

/** A grid of `ceil(threads / workgroupSize)` workgroups, folded into a second axis above WebGPU's limit. See `linear_index`. */
export function linearGrid(threads: number, workgroupSize: number): [number, number, number] {
  const groups = ceilDiv(threads, workgroupSize);
  return [Math.min(groups, MAX_GRID), ceilDiv(groups, MAX_GRID), 1];
}
