/** The largest element of each row. */
import { threadKernel } from './parts/pointwise.js';
import { rowKernel } from './parts/rows.js';
import { wgsl } from './parts/wgsl.js';

/** y = max(x); at = the first n with x[n] = y, as a float */
export const rowMaxForward = (oneSubgroup: boolean): string => rowKernel(oneSubgroup, wgsl`
@group(0) @binding(1) var<storage, read> x: array<f32>;         // [ROWS, N]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;   // [ROWS]
@group(0) @binding(3) var<storage, read_write> at: array<f32>;  // [ROWS]
`, wgsl`
  var peak = x[first];
  for (var n = lane; n < dims.N; n += WG) { peak = max(peak, x[first + n]); }
  peak = workgroup_max(lane, peak);
  var before = 0u;  // N minus the position: the largest is the first
  for (var n = lane; n < dims.N; n += WG) { before = select(before, max(before, dims.N - n), x[first + n] == peak); }
  let place = f32(dims.N) - workgroup_max(lane, f32(before));
  if (lane == 0u) {
    y[row] = peak;
    at[row] = place;
  }
`);

/** dx[n] = dy if n = at, else 0 */
export const rowMaxBackward = threadKernel('dims.COUNT', wgsl`
struct Dims { COUNT: u32, N: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> at: array<f32>;        // [ROWS]
@group(0) @binding(2) var<storage, read> dy: array<f32>;        // [ROWS]
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;  // [ROWS, N]
`, wgsl`
  let row = index / dims.N;
  dx[index] = select(0.0, dy[row], index - row * dims.N == u32(at[row]));
`);
