/** Mean squared error, in two stages that add in the same order every time. */
import { GROUP_INDEX } from './parts/common.js';
import { spans } from './parts/pointwise.js';
import { rowFragments } from './parts/rows.js';
import { wgsl } from './parts/wgsl.js';

/** partial[s] = sum of (a - b)^2 over the s-th chunk of CHUNK4 vectors; a workgroup per chunk. */
export const msePartial = (oneSubgroup: boolean): string => wgsl`
${rowFragments(oneSubgroup).enable}
override WG: u32;
override CHUNK4: u32;
struct Dims { N: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> a: array<vec4f>;            // [N]
@group(0) @binding(2) var<storage, read> b: array<vec4f>;            // [N]
@group(0) @binding(3) var<storage, read_write> partial: array<f32>;  // [ceil(N / (4 CHUNK4))]
${rowFragments(oneSubgroup).sum}

/** Zero beyond the last element, whatever lies there. */
fn difference(i: u32) -> vec4f {
  return select(vec4f(), a[i] - b[i], 4u * i + vec4u(0u, 1u, 2u, 3u) < vec4u(dims.N));
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let chunk = ${GROUP_INDEX};
  let N4 = (dims.N + 3u) / 4u;
  let first = chunk * CHUNK4;
  if (first >= N4) { return; }
  var total = 0.0;
  for (var i = first + lane; i < min(first + CHUNK4, N4); i += WG) {
    let d = difference(i);
    total += dot(d, d);
  }
  total = workgroup_sum(lane, total);
  if (lane == 0u) { partial[chunk] = total; }
}
`;

/** y = sum(partial) / N; one workgroup. */
export const mseForward = (oneSubgroup: boolean): string => wgsl`
${rowFragments(oneSubgroup).enable}
override WG: u32;
struct Dims { CHUNKS: u32, N: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> partial: array<f32>;  // [CHUNKS]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [1]
${rowFragments(oneSubgroup).sum}
@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32) {
  var total = 0.0;
  for (var s = lane; s < dims.CHUNKS; s += WG) { total += partial[s]; }
  total = workgroup_sum(lane, total);
  if (lane == 0u) { y[0] = total / f32(dims.N); }
}
`;

/** da = FACTOR * (a - b) * dy with FACTOR = 2 / N; with the operands exchanged, db. */
export const mseBackward = wgsl`
struct Dims { N4: u32, FACTOR: f32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> a: array<vec4f>;         // [N]
@group(0) @binding(2) var<storage, read> b: array<vec4f>;         // [N]
@group(0) @binding(3) var<storage, read> dy: array<f32>;          // [1]
@group(0) @binding(4) var<storage, read_write> da: array<vec4f>;  // [N]
${spans}
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let s = span(group, dims.N4);
  let factor = dims.FACTOR * dy[0];
  for (var i = s.first + lane; i < s.end; i += WG) { da[i] = factor * (a[i] - b[i]); }
}
`;
