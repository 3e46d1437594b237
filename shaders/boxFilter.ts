/** The mean of a window, along one axis of a row-major tensor; an image takes two launches, rows first. */
import { threadKernel } from './parts/pointwise.js';
import { wgsl } from './parts/wgsl.js';

/** y[r, i, c] = sum over d = -RADIUS..RADIUS of x[r, i + d, c], divided by their number. x is mirrored at its edges. */
export const boxFilterForward = threadKernel('dims.THREADS', wgsl`
struct Dims { THREADS: u32, INNER: u32, N: i32, RADIUS: i32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [OUTER, N, INNER]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [OUTER, N, INNER]
fn mirror(i: i32, n: i32) -> i32 { return n - 1 - abs(n - 1 - abs(i)); }
`, wgsl`
  let i = i32(index / dims.INNER) % dims.N;
  let start = index - u32(i) * dims.INNER;
  var sum = 0.0;
  for (var d = -dims.RADIUS; d <= dims.RADIUS; d++) { sum += x[start + u32(mirror(i + d, dims.N)) * dims.INNER]; }
  y[index] = sum / f32(2 * dims.RADIUS + 1);
`);
