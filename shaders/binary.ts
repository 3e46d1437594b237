/** Pointwise kernels of two tensors; the gradients are made of the same kernels. */
import { spanKernel } from './parts/pointwise.js';
import { wgsl } from './parts/wgsl.js';

/** y[i] = f(a[i], b[i]), four elements at a time. `expression` is f in terms of a and b. */
export const binaryForward = (expression: string): string => spanKernel('dims.N4', wgsl`
struct Dims { N4: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> as_: array<vec4f>;
@group(0) @binding(2) var<storage, read> bs: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> ys: array<vec4f>;
`, wgsl`
  let a = as_[i];
  let b = bs[i];
  ys[i] = ${expression};
`);

/** y[i] = f(a[i], b[i mod NB]): b repeats along a's leading axes. */
export const binaryRepeatForward = (expression: string): string => spanKernel('dims.N', wgsl`
struct Dims { N: u32, NB: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> as_: array<f32>;       // [N]
@group(0) @binding(2) var<storage, read> bs: array<f32>;        // [NB]
@group(0) @binding(3) var<storage, read_write> ys: array<f32>;  // [N]
`, wgsl`
  let a = as_[i];
  let b = bs[i % dims.NB];
  ys[i] = ${expression};
`);
