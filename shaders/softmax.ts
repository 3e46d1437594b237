/** Softmax: one workgroup per row. */
import { rowKernel } from './parts/rows.js';
import { wgsl } from './parts/wgsl.js';

/** y = exp(x - max(x)) / sum(exp(x - max(x))) */
export const softmaxForward = (oneSubgroup: boolean): string => rowKernel(oneSubgroup, wgsl`
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [ROWS, N]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [ROWS, N]
`, wgsl`
  var peak = x[first];
  for (var n = lane; n < dims.N; n += WG) { peak = max(peak, x[first + n]); }
  peak = workgroup_max(lane, peak);
  var total = 0.0;
  for (var n = lane; n < dims.N; n += WG) { total += exp(x[first + n] - peak); }
  total = workgroup_sum(lane, total);
  for (var n = lane; n < dims.N; n += WG) { y[first + n] = exp(x[first + n] - peak) / total; }
`);

/** dx = y * (dy - sum(y * dy)); needs only the output y, not x. */
export const softmaxBackward = (oneSubgroup: boolean): string => rowKernel(oneSubgroup, wgsl`
@group(0) @binding(1) var<storage, read> y: array<f32>;         // [ROWS, N]
@group(0) @binding(2) var<storage, read> dy: array<f32>;        // [ROWS, N]
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;  // [ROWS, N]
`, wgsl`
  var total = 0.0;
  for (var n = lane; n < dims.N; n += WG) { total += y[first + n] * dy[first + n]; }
  total = workgroup_sum(lane, total);
  for (var n = lane; n < dims.N; n += WG) { dx[first + n] = y[first + n] * (dy[first + n] - total); }
`);
