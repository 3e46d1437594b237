/** Pointwise kernels of two tensors. */
import { linearIndex } from './common.js';
import { wgsl } from './wgsl.js';

/** y[i] = f(a[i], b[i mod NB]); the gradients are made of the same kernel. `expression` is f in terms of a and b. */
export const binaryForward = (expression: string): string => wgsl`
override WG: u32;
struct Dims { N: u32, NB: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> as_: array<f32>;       // [N]
@group(0) @binding(2) var<storage, read> bs: array<f32>;        // [NB], repeated
@group(0) @binding(3) var<storage, read_write> ys: array<f32>;  // [N]
${linearIndex}
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = linear_index(group, lane);
  if (i >= dims.N) { return; }
  let a = as_[i];
  let b = bs[i % dims.NB];
  ys[i] = ${expression};
}
`;
