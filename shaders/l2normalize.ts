/** Rows brought to length 1: one workgroup per row. */
import { rowKernel } from './parts/rows.js';
import { wgsl } from './parts/wgsl.js';

/** Rows shorter than this are divided by it instead: PyTorch's default for F.normalize. */
const SHORTEST = '1e-12';

/** y = x / max(|x|, SHORTEST); the divisors are kept for the gradient. */
export const l2normalizeForward = (oneSubgroup: boolean): string => rowKernel(oneSubgroup, wgsl`
@group(0) @binding(1) var<storage, read> x: array<f32>;              // [ROWS, N]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;        // [ROWS, N]
@group(0) @binding(3) var<storage, read_write> lengths: array<f32>;  // [ROWS]
`, wgsl`
  var total = 0.0;
  for (var n = lane; n < dims.N; n += WG) { total += x[first + n] * x[first + n]; }
  let length = max(sqrt(workgroup_sum(lane, total)), ${SHORTEST});
  for (var n = lane; n < dims.N; n += WG) { y[first + n] = x[first + n] / length; }
  if (lane == 0u) { lengths[row] = length; }
`);

/** dx = (dy - y sum(y dy)) / |x|, or dy / SHORTEST if the row is shorter than that. */
export const l2normalizeBackward = (oneSubgroup: boolean): string => rowKernel(oneSubgroup, wgsl`
@group(0) @binding(1) var<storage, read> y: array<f32>;         // [ROWS, N]
@group(0) @binding(2) var<storage, read> lengths: array<f32>;   // [ROWS]
@group(0) @binding(3) var<storage, read> dy: array<f32>;        // [ROWS, N]
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;  // [ROWS, N]
`, wgsl`
  var total = 0.0;
  for (var n = lane; n < dims.N; n += WG) { total += y[first + n] * dy[first + n]; }
  let along = select(workgroup_sum(lane, total), 0.0, lengths[row] <= ${SHORTEST});
  for (var n = lane; n < dims.N; n += WG) { dx[first + n] = (dy[first + n] - y[first + n] * along) / lengths[row]; }
`);
