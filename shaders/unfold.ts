/** Overlapping patches of an image as rows of a matrix. */
import { threadKernel } from './parts/pointwise.js';
import { wgsl } from './parts/wgsl.js';

/** y[m, (c, dy, dx)] = x[c, STRIDE (m / COLUMNS) + dy, STRIDE (m % COLUMNS) + dx], zero from C P P on. */
export const unfoldForward = threadKernel('dims.N', wgsl`
override C: u32;
override P: u32;
override STRIDE: u32;
override WIDTH: u32;
struct Dims { N: u32, H: u32, W: u32, COLUMNS: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [C, H, W]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [M, WIDTH]
`, wgsl`
  let m = index / WIDTH;
  let k = min(index % WIDTH, C * P * P - 1u);
  let row = STRIDE * (m / dims.COLUMNS) + k / P % P;
  let column = STRIDE * (m % dims.COLUMNS) + k % P;
  y[index] = select(0.0, x[(k / (P * P) * dims.H + row) * dims.W + column], index % WIDTH == k);
`);
