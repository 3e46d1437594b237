/** Copies. */
import { linearIndex } from './common.js';
import { wgsl } from './wgsl.js';

/** y[i] = x[i] */
export const copyForward = wgsl`
override WG: u32;
struct Dims { N: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [N]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [N]
${linearIndex}
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = linear_index(group, lane);
  if (i < dims.N) { y[i] = x[i]; }
}
`;
