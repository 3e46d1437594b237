/** Fragments that several kernels share; spliced in as text. */
import { wgsl } from './wgsl.js';

/** Largest number of workgroups along one axis of a dispatch; WebGPU's default limit. */
export const MAX_GRID = 65535;

/** Lines of text for i = 0 ... n - 1: registers have names, since an array indexed in a loop may end up in memory. */
export const each = (n: number, line: (i: number) => string): string => Array.from({ length: n }, (_, i) => line(i)).join('\n');
/** `each` over the pairs (i, j), j running faster. */
export const each2 = (n: number, m: number, line: (i: number, j: number) => string): string =>
  each(n, (i) => each(m, (j) => line(i, j)));
/** Expressions for i = 0 ... n - 1 as the arguments of a call. */
export const list = (n: number, item: (i: number) => string): string => Array.from({ length: n }, (_, i) => item(i)).join(', ');

/** The largest multiple of `lanes` up to `most`, but at least one subgroup. */
export const wholeSubgroups = (lanes: number, most: number): number => lanes * Math.max(1, Math.floor(most / lanes));

/** The number of a workgroup, `vec3u group`, in a grid of `linearGrid`. */
export const GROUP_INDEX = `group.y * ${MAX_GRID}u + group.x`;

/**
 * `linear_index(workgroup, lane)`: the number of a thread of a one-dimensional launch, however its grid is folded. Pairs with
 * `linearGrid` of engine/graph/kernel.ts. Needs `override WG`.
 */
export const linearIndex = wgsl`
fn linear_index(group: vec3u, lane: u32) -> u32 {
  return (${GROUP_INDEX}) * WG + lane;
}
`;

/** `workgroup_NAME(lane, value)`: all values combined. All lanes must call it. Needs `override WG`, a power of two. */
const workgroupReduction = (name: string, combine: (a: string, b: string) => string): string => wgsl`
var<workgroup> ${name}_scratch: array<f32, WG>;
fn workgroup_${name}(lane: u32, value: f32) -> f32 {
  ${name}_scratch[lane] = value;
  for (var half = WG / 2u; half > 0u; half = half / 2u) {
    workgroupBarrier();
    if (lane < half) { ${name}_scratch[lane] = ${combine(`${name}_scratch[lane]`, `${name}_scratch[lane + half]`)}; }
  }
  workgroupBarrier();
  let result = ${name}_scratch[0];
  workgroupBarrier();
  return result;
}
`;
export const workgroupSum = workgroupReduction('sum', (a, b) => `${a} + ${b}`);
export const workgroupMax = workgroupReduction('max', (a, b) => `max(${a}, ${b})`);
