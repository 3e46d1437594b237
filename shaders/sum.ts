/** Sums over the leading axes. */
import { linearIndex } from './parts/common.js';
import { spans } from './parts/pointwise.js';
import { reducingKernel } from './parts/rows.js';
import { wgsl } from './parts/wgsl.js';

/** y[c] = sum over r of x[r, c], few columns: one workgroup per column, its lanes along the rows. */
export const sumForward = (oneSubgroup: boolean): string => reducingKernel(oneSubgroup, wgsl`
struct Dims { ROWS: u32, COLS: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [ROWS, COLS]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [COLS]
`, wgsl`
  let c = group.x;
  var total = 0.0;
  for (var r = lane; r < dims.ROWS; r += WG) { total += x[r * dims.COLS + c]; }
  total = workgroup_sum(lane, total);
  if (lane == 0u) { y[c] = total; }
`);

/** y[c] = sum over r of x[r, c], many columns: one lane per column. */
export const sumColumnsForward = wgsl`
override WG: u32;
struct Dims { ROWS: u32, COLS: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [ROWS, COLS]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [COLS]
${linearIndex}
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let c = linear_index(group, lane);
  if (c >= dims.COLS) { return; }
  var total = 0.0;
  for (var r = 0u; r < dims.ROWS; r++) { total += x[r * dims.COLS + c]; }
  y[c] = total;
}
`;

/** dx[r, c] = dy[c] */
export const sumBackward = wgsl`
struct Dims { N: u32, COLS: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> dy: array<f32>;        // [COLS]
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;  // [ROWS, COLS]
${spans}
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let s = span(group, dims.N);
  for (var i = s.first + lane; i < s.end; i += WG) { dx[i] = dy[i % dims.COLS]; }
}
`;
