/** Kernels whose workgroups reduce: the lanes of one add up what they have, or find the largest. */
import { GROUP_INDEX, workgroupMax, workgroupSum } from './common.js';
import { wgsl } from './wgsl.js';

/**
 * Reductions over a workgroup: `workgroup_sum` and `workgroup_max` (lane, value), and `enable`, which comes first in the source.
 * If the workgroup is exactly one subgroup they need no barriers, else workgroup memory and `override WG`.
 */
export const rowFragments = (oneSubgroup: boolean): Readonly<Record<'enable' | 'sum' | 'max', string>> => oneSubgroup
  ? {
      enable: 'enable subgroups;',
      sum: 'fn workgroup_sum(lane: u32, value: f32) -> f32 { return subgroupAdd(value); }',
      max: 'fn workgroup_max(lane: u32, value: f32) -> f32 { return subgroupMax(value); }',
    }
  : { enable: '', sum: workgroupSum, max: workgroupMax };

/** A kernel of `declarations` and the statements `body` of its main(group, lane), which may call the reductions. */
export function reducingKernel(oneSubgroup: boolean, declarations: string, body: string): string {
  const { enable, sum, max } = rowFragments(oneSubgroup);
  return wgsl`
${enable}
override WG: u32;
${declarations}
${sum}
${max}
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
${body}
}
`;
}

/** A `reducingKernel` with a workgroup for each `row` of N elements; `first` is the index of the row's first element. */
export const rowKernel = (oneSubgroup: boolean, bindings: string, body: string): string => reducingKernel(oneSubgroup, wgsl`
struct Dims { ROWS: u32, N: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
${bindings}
`, wgsl`
  let row = ${GROUP_INDEX};
  if (row >= dims.ROWS) { return; }
  let first = row * dims.N;
${body}
`);

/**
 * First stage of a sum that adds in the same order every time: partial[s] = sum of term(i) over the s-th chunk of CHUNK of
 * `count` items, a workgroup per chunk. `declarations` has the bindings, `partial` among them, and `fn term(i: u32) -> f32`.
 */
export const chunkSums = (oneSubgroup: boolean, count: string, declarations: string): string => reducingKernel(oneSubgroup, wgsl`
override CHUNK: u32;
struct Dims { N: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
${declarations}
`, wgsl`
  let chunk = ${GROUP_INDEX};
  let first = chunk * CHUNK;
  let count = ${count};
  if (first >= count) { return; }
  var total = 0.0;
  for (var i = first + lane; i < min(first + CHUNK, count); i += WG) { total += term(i); }
  total = workgroup_sum(lane, total);
  if (lane == 0u) { partial[chunk] = total; }
`);

/** Second stage, one workgroup: y = `result`, in terms of `total`, the sum of `partial`; `dims` are the fields of `Dims`. */
export const totalOfChunks = (oneSubgroup: boolean, dims: string, result: string): string => reducingKernel(oneSubgroup, wgsl`
struct Dims { ${dims} }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> partial: array<f32>;  // [CHUNKS]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [1]
`, wgsl`
  var total = 0.0;
  for (var s = lane; s < dims.CHUNKS; s += WG) { total += partial[s]; }
  total = workgroup_sum(lane, total);
  if (lane == 0u) { y[0] = ${result}; }
`);

/** `V` is the type of one load, of WIDTH elements: four if rows are whole vectors. `across(v)` sums them. */
export const rowVector = (vectors: boolean): string => wgsl`
#if ${vectors}
alias V = vec4f;
const WIDTH = 4u;
fn across(v: V) -> f32 { return v.x + v.y + v.z + v.w; }
#else
alias V = f32;
const WIDTH = 1u;
fn across(v: V) -> f32 { return v; }
#endif
`;
