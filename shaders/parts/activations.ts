/** Activation functions and their derivatives, spliced into the pointwise kernels and the epilogues of matrix products. */
import { wgsl } from './wgsl.js';

/**
 * `gelu(x)` = x Φ(x), Φ the normal distribution (the exact form, Hendrycks and Gimpel, arXiv 1606.08415), and
 * `gelu_derivative(x)` = Φ(x) + x φ(x). erf by Abramowitz and Stegun 7.1.26, with an error of at most 1.5e-7.
 */
export const gelu = wgsl`
fn erf(x: f32) -> f32 {
  let t = 1.0 / (1.0 + 0.3275911 * abs(x));
  let p = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return sign(x) * (1.0 - p * exp(-x * x));
}
fn gelu(x: f32) -> f32 {
  return 0.5 * x * (1.0 + erf(0.70710678 * x));
}
fn gelu_derivative(x: f32) -> f32 {
  return 0.5 * (1.0 + erf(0.70710678 * x)) + 0.39894228 * x * exp(-0.5 * x * x);
}
`;

/** `quick_gelu(x)` = x σ(1.702 x), the approximation CLIP was trained with, and `quick_gelu_derivative(x)`. */
export const quickGelu = wgsl`
fn quick_gelu(x: f32) -> f32 {
  return x / (1.0 + exp(-1.702 * x));
}
fn quick_gelu_derivative(x: f32) -> f32 {
  let s = 1.0 / (1.0 + exp(-1.702 * x));
  return s * (1.0 + 1.702 * x * (1.0 - s));
}
`;

/** `silu(x)` = x σ(x) (arXiv 1702.03118), the gate of SwiGLU, and `silu_derivative(x)`. */
export const silu = wgsl`
fn silu(x: f32) -> f32 {
  return x / (1.0 + exp(-x));
}
fn silu_derivative(x: f32) -> f32 {
  let s = 1.0 / (1.0 + exp(-x));
  return s * (1.0 + x * (1.0 - s));
}
`;
