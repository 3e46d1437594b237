/** Cross entropy of logits against given distributions: one workgroup per row. */
import { rowKernel } from './parts/rows.js';
import { wgsl } from './parts/wgsl.js';

/** y = sum of q (lse - x) with lse = log(sum(exp(x))), which is kept for the gradient; the maximum of x is subtracted first. */
export const crossEntropyForward = (oneSubgroup: boolean): string => rowKernel(oneSubgroup, wgsl`
@group(0) @binding(1) var<storage, read> x: array<f32>;          // [ROWS, N]
@group(0) @binding(2) var<storage, read> q: array<f32>;          // [ROWS, N]
@group(0) @binding(3) var<storage, read_write> y: array<f32>;    // [ROWS]
@group(0) @binding(4) var<storage, read_write> lse: array<f32>;  // [ROWS]
`, wgsl`
  var peak = x[first];
  for (var n = lane; n < dims.N; n += WG) { peak = max(peak, x[first + n]); }
  peak = workgroup_max(lane, peak);
  var total = 0.0;
  for (var n = lane; n < dims.N; n += WG) { total += exp(x[first + n] - peak); }
  let row_lse = peak + log(workgroup_sum(lane, total));
  var sum = 0.0;
  for (var n = lane; n < dims.N; n += WG) { sum += q[first + n] * (row_lse - x[first + n]); }
  sum = workgroup_sum(lane, sum);
  if (lane == 0u) {
    y[row] = sum;
    lse[row] = row_lse;
  }
`);

/** dx = dy (exp(x - lse) sum(q) - q) */
export const crossEntropyBackward = (oneSubgroup: boolean): string => rowKernel(oneSubgroup, wgsl`
@group(0) @binding(1) var<storage, read> x: array<f32>;         // [ROWS, N]
@group(0) @binding(2) var<storage, read> q: array<f32>;         // [ROWS, N]
@group(0) @binding(3) var<storage, read> lse: array<f32>;       // [ROWS]
@group(0) @binding(4) var<storage, read> dy: array<f32>;        // [ROWS]
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;  // [ROWS, N]
`, wgsl`
  var total = 0.0;
  for (var n = lane; n < dims.N; n += WG) { total += q[first + n]; }
  total = workgroup_sum(lane, total);
  for (var n = lane; n < dims.N; n += WG) {
    dx[first + n] = dy[row] * (exp(x[first + n] - lse[row]) * total - q[first + n]);
  }
`);
