/** Copies. */
import { spanKernel } from './parts/pointwise.js';
import { wgsl } from './parts/wgsl.js';

/** y[i] = x[i], four elements at a time. */
export const copyForward = spanKernel('dims.N4', wgsl`
struct Dims { N4: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
`, wgsl`
  y[i] = x[i];
`);
