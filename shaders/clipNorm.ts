/** Gradients of limited length. */
import { spanKernel } from './parts/pointwise.js';
import { wgsl } from './parts/wgsl.js';

/** y = x min(1, MOST / (norm + 1e-6)) */
export const clipNormForward = spanKernel('dims.N4', wgsl`
override MOST: f32;
struct Dims { N4: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> xs: array<vec4f>;        // [N]
@group(0) @binding(2) var<storage, read> norm: array<f32>;        // [1]
@group(0) @binding(3) var<storage, read_write> ys: array<vec4f>;  // [N]
`, wgsl`
  ys[i] = gain * xs[i];
`, wgsl`
  let gain = min(1.0, MOST / (norm[0] + 1e-6));
`);
