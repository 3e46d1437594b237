/** The largest element of some columns moved to the last row: test-time registers of a ViT. */
import { spanKernel } from './parts/pointwise.js';
import { wgsl } from './parts/wgsl.js';

/** `peak_row(first)`: the first row with the largest element of the column of x that begins at `first`. */
const declarations = wgsl`
override C: u32;
struct Dims { N: u32, T: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> x: array<f32>;      // [B, T, C]
@group(0) @binding(2) var<storage, read> moved: array<f32>;  // [C]: 1 for a column whose peak moves, else 0
fn peak_row(first: u32) -> u32 {
  var row = 0u;
  var peak = x[first];
  for (var t = 1u; t < dims.T; t += 1u) {
    let value = x[first + t * C];
    if (value > peak) {
      row = t;
      peak = value;
    }
  }
  return row;
}
`;

/** In moved columns y[T-1] = max(x) over the rows and y[t] = 0 for all others; y = x elsewhere. */
export const movePeaksForward = spanKernel('dims.N', wgsl`
${declarations}
@group(0) @binding(3) var<storage, read_write> y: array<f32>;  // [B, T, C]
`, wgsl`
  let t = (i / C) % dims.T;
  var value = x[i];
  if (moved[i % C] > 0.5) {
    value = 0.0;
    if (t == dims.T - 1u) { value = x[i - t * C + peak_row(i - t * C) * C]; }
  }
  y[i] = value;
`);

/** In moved columns dx = dy[T-1] at the row of the peak and 0 for all others; dx = dy elsewhere. */
export const movePeaksBackward = spanKernel('dims.N', wgsl`
${declarations}
@group(0) @binding(3) var<storage, read> dy: array<f32>;        // [B, T, C]
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;  // [B, T, C]
`, wgsl`
  let t = (i / C) % dims.T;
  var value = dy[i];
  if (moved[i % C] > 0.5) {
    value = 0.0;
    if (t == peak_row(i - t * C)) { value = dy[i - t * C + (dims.T - 1u) * C]; }
  }
  dx[i] = value;
`);
