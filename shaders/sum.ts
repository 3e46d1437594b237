/** Sums over the leading axes. */
import { spanKernel, threadKernel } from './parts/pointwise.js';
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
export const sumColumnsForward = threadKernel('dims.COLS', wgsl`
struct Dims { ROWS: u32, COLS: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [ROWS, COLS]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [COLS]
`, wgsl`
  var total = 0.0;
  for (var r = 0u; r < dims.ROWS; r++) { total += x[r * dims.COLS + index]; }
  y[index] = total;
`);

/** dx[r, c] = dy[c] */
export const sumBackward = spanKernel('dims.N', wgsl`
struct Dims { N: u32, COLS: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> dy: array<f32>;        // [COLS]
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;  // [ROWS, COLS]
`, wgsl`
  dx[i] = dy[i % dims.COLS];
`);
