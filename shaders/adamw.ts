/** AdamW. */
import { spanKernel } from './parts/pointwise.js';
import { wgsl } from './parts/wgsl.js';

/**
 * g = dw min(1, clip / (norm + 1e-6));  m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2; w = w (1 - lr decay) - lr /
 * (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
 *
 * An element's role decides its update: below 0 none (a gap between parameters), 0 without weight decay, 1 with weight decay, 2
 * as 1 but only from the step on in which its own count of steps begins.
 */
export const adamwForward = spanKernel('dims.N', wgsl`
struct Dims { N: u32 }
struct Hyper {
  lr: f32, beta1: f32, beta2: f32, eps: f32, decay: f32, clip: f32,
  correction1: f32, root_correction2: f32,
  late_correction1: f32, late_root_correction2: f32,  // 0 before that step
}
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read_write> ws: array<f32>;  // [N]
@group(0) @binding(2) var<storage, read_write> ms: array<f32>;  // [N]
@group(0) @binding(3) var<storage, read_write> vs: array<f32>;  // [N]
@group(0) @binding(4) var<storage, read> dws: array<f32>;       // [N]
@group(0) @binding(5) var<storage, read> roles: array<f32>;     // [N]
@group(0) @binding(6) var<storage, read> norm: array<f32>;      // [1]
@group(0) @binding(7) var<storage, read> hyper: Hyper;          // [10], changes every step
`, wgsl`
  let role = roles[i];
  let is_late = role > 1.5;
  let correction1 = select(hyper.correction1, hyper.late_correction1, is_late);
  if (role < 0.0 || correction1 == 0.0) { continue; }
  let root_correction2 = select(hyper.root_correction2, hyper.late_root_correction2, is_late);
  let g = gain * dws[i];
  let m = hyper.beta1 * ms[i] + (1.0 - hyper.beta1) * g;
  let v = hyper.beta2 * vs[i] + (1.0 - hyper.beta2) * g * g;
  ms[i] = m;
  vs[i] = v;
  let kept = ws[i] * (1.0 - hyper.lr * hyper.decay * min(role, 1.0));
  ws[i] = kept - hyper.lr / correction1 * m / (sqrt(v) / root_correction2 + hyper.eps);
`, wgsl`
  let gain = min(1.0, hyper.clip / (norm[0] + 1e-6));
`);
