/** Rotary positions: pairs of channels of queries and keys are rotated by angles from a table. */
import { spanKernel } from './parts/pointwise.js';
import { wgsl } from './parts/wgsl.js';

/**
 * For channels j and j + HS/2 of a head of queries or keys, with cosine c and sine s of their token:
 * y[j] = c x[j] - SIGN s x[j + HS/2], y[j + HS/2] = c x[j + HS/2] + SIGN s x[j]; values are copied. With SIGN = -1 it is the
 * inverse, and so the gradient.
 */
export const rotaryForward = spanKernel('dims.N', wgsl`
override C: u32;
override HS: u32;
override SIGN: f32;
struct Dims { N: u32, T: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [B, T, 3, NH, HS]
@group(0) @binding(2) var<storage, read> table: array<f32>;    // [T, cosines and sines, HS/2]
@group(0) @binding(3) var<storage, read_write> y: array<f32>;  // [B, T, 3, NH, HS]
`, wgsl`
  let c = i % (3u * C);
  var value = x[i];
  if (c < 2u * C) {
    let d = c % HS;
    let upper = d >= HS / 2u;
    let pair = x[select(i + HS / 2u, i - HS / 2u, upper)];
    let at = ((i / (3u * C)) % dims.T) * HS + d % (HS / 2u);
    value = table[at] * value + select(-SIGN, SIGN, upper) * table[at + HS / 2u] * pair;
  }
  y[i] = value;
`);
