/** Fragments that several kernels share; spliced in as text. */
import { wgsl } from './wgsl.js';

/** Largest number of workgroups along one axis of a dispatch; WebGPU's default limit. */
export const MAX_GRID = 65535;

/** Lines of text for i = 0 ... n - 1: registers have names, since an array indexed in a loop may end up in memory. */
export const each = (n: number, line: (i: number) => string): string => Array.from({ length: n }, (_, i) => line(i)).join('\n');
/** `each` over the pairs (i, j). */
export const each2 = (n: number, m: number, line: (i: number, j: number) => string): string => each(n, (i) => each(m, (j) => line(i, j)));

/** The number of a workgroup, `vec3u group`, in a grid of `linearGrid`. */
export const GROUP_INDEX = `group.y * ${MAX_GRID}u + group.x`;

/**
 * `linear_index(workgroup, lane)`: the element a thread of a one-dimensional launch works on, however the grid was folded.
 * Pairs with `linearGrid` of engine/kernel.ts. Needs `override WG`.
 */
export const linearIndex = wgsl`
fn linear_index(group: vec3u, lane: u32) -> u32 {
  return (${GROUP_INDEX}) * WG + lane;
}
`;

/** `workgroup_sum(lane, value)`: every lane of the workgroup gets the sum. All lanes must call it. Needs `override WG`, a power of two. */
export const workgroupSum = wgsl`
var<workgroup> sum_scratch: array<f32, WG>;
fn workgroup_sum(lane: u32, value: f32) -> f32 {
  sum_scratch[lane] = value;
  for (var half = WG / 2u; half > 0u; half = half / 2u) {
    workgroupBarrier();
    if (lane < half) { sum_scratch[lane] = sum_scratch[lane] + sum_scratch[lane + half]; }
  }
  workgroupBarrier();
  let total = sum_scratch[0];
  workgroupBarrier();
  return total;
}
`;

/** `workgroup_max(lane, value)`: every lane of the workgroup gets the maximum. All lanes must call it. Needs `override WG`, a power of two. */
export const workgroupMax = wgsl`
var<workgroup> max_scratch: array<f32, WG>;
fn workgroup_max(lane: u32, value: f32) -> f32 {
  max_scratch[lane] = value;
  for (var half = WG / 2u; half > 0u; half = half / 2u) {
    workgroupBarrier();
    if (lane < half) { max_scratch[lane] = max(max_scratch[lane], max_scratch[lane + half]); }
  }
  workgroupBarrier();
  let peak = max_scratch[0];
  workgroupBarrier();
  return peak;
}
`;
