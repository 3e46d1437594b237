/** A device's peak rates: kernels that only multiply and add, and (shaders/copy.ts) that only copy. */
import { each } from './common.js';
import { wgsl } from './wgsl.js';

/** Independent sums of a thread: enough to hide the latency of each. */
export const ROOF_SUMS = 8;

/** y[i] of sums s = fma(s, x, x) over STEPS steps: 8 vectors of four a thread, nothing loaded. */
export const roofFma = wgsl`
override WG: u32;
struct Dims { STEPS: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> x: array<f32>;            // [1]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;      // [threads]
@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let factor = vec4f(x[0]) + f32(id.x % 7u) * 1e-6;
${each(ROOF_SUMS, (i) => `  var sum${i} = factor + ${i}.0;`)}
  for (var step = 0u; step < dims.STEPS; step++) {
${each(4, () => each(ROOF_SUMS, (i) => `    sum${i} = fma(sum${i}, factor, factor);`))}
  }
  let total = ${Array.from({ length: ROOF_SUMS }, (_, i) => `sum${i}`).join(' + ')};
  y[id.x] = total.x + total.y + total.z + total.w;
}
`;
