/** Adam. */
import { spanKernel } from './parts/pointwise.js';
import { wgsl } from './parts/wgsl.js';

/**
 * m = beta1 m + (1 - beta1) dw;  v = beta2 v + (1 - beta2) dw^2; w -= lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) +
 * eps)
 *
 * The flat buffers have gaps between parameters, where dw is undefined, maybe NaN. The update of a gap is undefined too and never
 * read; each element depends on itself alone, so nothing spreads.
 */
export const adamForward = spanKernel('dims.N4', wgsl`
struct Dims { N4: u32 }
struct Hyper { lr: f32, beta1: f32, beta2: f32, eps: f32, correction1: f32, root_correction2: f32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read_write> ws: array<vec4f>;  // [N]
@group(0) @binding(2) var<storage, read_write> ms: array<vec4f>;  // [N]
@group(0) @binding(3) var<storage, read_write> vs: array<vec4f>;  // [N]
@group(0) @binding(4) var<storage, read> dws: array<vec4f>;       // [N]
@group(0) @binding(5) var<storage, read> hyper: Hyper;            // [6], changes every step
`, wgsl`
  let dw = dws[i];
  let m = hyper.beta1 * ms[i] + (1.0 - hyper.beta1) * dw;
  let v = hyper.beta2 * vs[i] + (1.0 - hyper.beta2) * dw * dw;
  ms[i] = m;
  vs[i] = v;
  ws[i] -= step * m / (sqrt(v) / hyper.root_correction2 + hyper.eps);
`, wgsl`
  let step = hyper.lr / hyper.correction1;
`);
