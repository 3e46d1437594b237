/** Pointwise kernels of two tensors; the gradients are made of the same kernels. */
import { spans } from './parts/pointwise.js';
import { wgsl } from './parts/wgsl.js';

/** y[i] = f(a[i], b[i]), four elements at a time. `expression` is f in terms of a and b. */
export const binaryForward = (expression: string): string => wgsl`
struct Dims { N4: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> as_: array<vec4f>;
@group(0) @binding(2) var<storage, read> bs: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> ys: array<vec4f>;
${spans}
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let s = span(group, dims.N4);
  for (var i = s.first + lane; i < s.end; i += WG) {
    let a = as_[i];
    let b = bs[i];
    ys[i] = ${expression};
  }
}
`;

/** y[i] = f(a[i], b[i mod NB]): b repeats along a's leading axes. */
export const binaryRepeatForward = (expression: string): string => wgsl`
struct Dims { N: u32, NB: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> as_: array<f32>;       // [N]
@group(0) @binding(2) var<storage, read> bs: array<f32>;        // [NB]
@group(0) @binding(3) var<storage, read_write> ys: array<f32>;  // [N]
${spans}
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let s = span(group, dims.N);
  for (var i = s.first + lane; i < s.end; i += WG) {
    let a = as_[i];
    let b = bs[i % dims.NB];
    ys[i] = ${expression};
  }
}
`;
