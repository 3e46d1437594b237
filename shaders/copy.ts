/** Copies. */
import { spans } from './parts/pointwise.js';
import { wgsl } from './parts/wgsl.js';

/** y[i] = x[i], four elements at a time. */
export const copyForward = wgsl`
struct Dims { N4: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
${spans}
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let s = span(group, dims.N4);
  for (var i = s.first + lane; i < s.end; i += WG) { y[i] = x[i]; }
}
`;
