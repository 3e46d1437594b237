/** Sums over the leading axes. */
import { workgroupSum } from './common.js';
import { wgsl } from './wgsl.js';

/** y[c] = sum over r of x[r, c]: one workgroup per column, its lanes along the rows. */
export const sumForward = wgsl`
override WG: u32;
struct Dims { ROWS: u32, COLS: u32, GRID_X: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [ROWS, COLS]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [COLS]
${workgroupSum}
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let c = group.y * dims.GRID_X + group.x;
  var total = 0.0;
  if (c < dims.COLS) {
    for (var r = lane; r < dims.ROWS; r += WG) { total += x[r * dims.COLS + c]; }
  }
  total = workgroup_sum(lane, total);
  if (lane == 0u && c < dims.COLS) { y[c] = total; }
}
`;

/** dx[r, c] = dy[c] */
export const sumBackward = wgsl`
override WG: u32;
struct Dims { N: u32, COLS: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> dy: array<f32>;        // [COLS]
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;  // [ROWS, COLS]
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * 65535u + group.x) * WG + lane;
  if (i < dims.N) { dx[i] = dy[i % dims.COLS]; }
}
`;
