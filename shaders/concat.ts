/** Tensors one after the other along an axis. */
import { each } from './parts/common.js';
import { threadKernel } from './parts/pointwise.js';
import { wgsl } from './parts/wgsl.js';

/** y[r] = x0[r], x1[r], ... end to end: row r of y is row r of every input. */
export const concatForward = (count: number): string => threadKernel('dims.N', wgsl`
struct Dims {
  N: u32,
  COLS: u32,
${each(count, (n) => `  COLS_${n}: u32,`)}
}
@group(0) @binding(0) var<uniform> dims: Dims;
${each(count, (n) => `@group(0) @binding(${n + 1}) var<storage, read> x${n}: array<f32>;  // [rows, COLS_${n}]`)}
@group(0) @binding(${count + 1}) var<storage, read_write> y: array<f32>;  // [rows, COLS], COLS the sum of all
fn load_x(row: u32, column: u32) -> f32 {
  var c = column;
${each(count, (n) => `  if (c < dims.COLS_${n}) { return x${n}[row * dims.COLS_${n} + c]; }\n  c -= dims.COLS_${n};`)}
  return 0.0;
}
`, wgsl`
  y[index] = load_x(index / dims.COLS, index % dims.COLS);
`);
