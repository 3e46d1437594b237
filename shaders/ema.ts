/** Exponential moving averages. */
import { spanKernel } from './parts/pointwise.js';
import { wgsl } from './parts/wgsl.js';

/** mean = momentum mean + (1 - momentum) x, in place */
export const emaForward = spanKernel('dims.N4', wgsl`
struct Dims { N4: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read_write> means: array<vec4f>;  // [N]
@group(0) @binding(2) var<storage, read> xs: array<vec4f>;           // [N]
@group(0) @binding(3) var<storage, read> momentum: array<f32>;       // [1], may change every step
`, wgsl`
  means[i] = momentum[0] * means[i] + (1.0 - momentum[0]) * xs[i];
`);
