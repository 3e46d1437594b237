/** The length of all gradients of a model taken together, in two stages that add in the same order every time. */
import { GROUP_INDEX } from './parts/common.js';
import { rowFragments } from './parts/rows.js';
import { wgsl } from './parts/wgsl.js';

/** partial[s] = sum of x^2 over the s-th chunk of CHUNK elements, leaving out those with a negative role (gaps); a workgroup per chunk. */
export const globalNormPartial = (oneSubgroup: boolean): string => wgsl`
${rowFragments(oneSubgroup).enable}
override WG: u32;
override CHUNK: u32;
struct Dims { N: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> x: array<f32>;              // [N]
@group(0) @binding(2) var<storage, read> roles: array<f32>;          // [N]
@group(0) @binding(3) var<storage, read_write> partial: array<f32>;  // [ceil(N / CHUNK)]
${rowFragments(oneSubgroup).sum}
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let chunk = ${GROUP_INDEX};
  let first = chunk * CHUNK;
  if (first >= dims.N) { return; }
  var total = 0.0;
  for (var i = first + lane; i < min(first + CHUNK, dims.N); i += WG) {
    let value = select(0.0, x[i], roles[i] >= 0.0);
    total += value * value;
  }
  total = workgroup_sum(lane, total);
  if (lane == 0u) { partial[chunk] = total; }
}
`;

/** y = sqrt(sum(partial)); one workgroup. */
export const globalNormForward = (oneSubgroup: boolean): string => wgsl`
${rowFragments(oneSubgroup).enable}
override WG: u32;
struct Dims { CHUNKS: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> partial: array<f32>;  // [CHUNKS]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [1]
${rowFragments(oneSubgroup).sum}
@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32) {
  var total = 0.0;
  for (var s = lane; s < dims.CHUNKS; s += WG) { total += partial[s]; }
  total = workgroup_sum(lane, total);
  if (lane == 0u) { y[0] = sqrt(total); }
}
`;
