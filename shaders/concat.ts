/** Tensors one after the other along an axis. */
import { each, linearIndex } from './parts/common.js';
import { wgsl } from './parts/wgsl.js';

/** y[r] = x0[r], x1[r], ... end to end: row r of y is row r of every input. */
export const concatForward = (count: number): string => wgsl`
override WG: u32;
struct Dims {
  N: u32,
  COLS: u32,
${each(count, (n) => `  COLS_${n}: u32,`)}
}
@group(0) @binding(0) var<uniform> dims: Dims;
${each(count, (n) => `@group(0) @binding(${n + 1}) var<storage, read> x${n}: array<f32>;  // [rows, COLS_${n}]`)}
@group(0) @binding(${count + 1}) var<storage, read_write> y: array<f32>;  // [rows, COLS], COLS the sum of all
${linearIndex}
fn load_x(row: u32, column: u32) -> f32 {
  var c = column;
${each(count, (n) => `  if (c < dims.COLS_${n}) { return x${n}[row * dims.COLS_${n} + c]; }\n  c -= dims.COLS_${n};`)}
  return 0.0;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = linear_index(group, lane);
  if (i < dims.N) { y[i] = load_x(i / dims.COLS, i % dims.COLS); }
}
`;
