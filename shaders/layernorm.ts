/** Layer normalisation of rows of C elements; a workgroup works on one row, or on a few. */
import { each, GROUP_INDEX } from './parts/common.js';
import { reducingKernel, rowVector } from './parts/rows.js';
import { wgsl } from './parts/wgsl.js';

/** Variants of the kernels. */
export interface LayernormVariant {
  /** A workgroup is exactly one subgroup. */
  readonly oneSubgroup: boolean;
  /** C is a multiple of four. */
  readonly vectors: boolean;
}

/**
 * y = (x - mean) * rstd * w + b with rstd = 1 / sqrt(var + EPS), var the biased variance.
 *
 * One pass over the row for both moments: every lane keeps a running mean and sum of squared deviations of each component of what
 * it loads (https://doi.org/10.1080/00401706.1962.10490022), then all are merged. Only differences to x are squared, so a mean
 * that is large compared with the spread does not cost digits. A workgroup with several `rows` loads w and b once for all.
 */
export const layernormForward = ({ oneSubgroup, vectors }: LayernormVariant, rows: number): string =>
  reducingKernel(oneSubgroup, wgsl`
override C: u32;
override EPS: f32;
struct Dims { ROWS: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> x: array<V>;               // [ROWS, C]
@group(0) @binding(2) var<storage, read> w: array<V>;               // [C]
@group(0) @binding(3) var<storage, read> b: array<V>;               // [C]
@group(0) @binding(4) var<storage, read_write> y: array<V>;         // [ROWS, C]
@group(0) @binding(5) var<storage, read_write> means: array<f32>;   // [ROWS]
@group(0) @binding(6) var<storage, read_write> rstds: array<f32>;   // [ROWS]
${rowVector(vectors)}
`, wgsl`
  let begin = (${GROUP_INDEX}) * ${rows};
  if (begin >= dims.ROWS) { return; }
  let cols = C / WIDTH;
${each(rows, (r) => `
  let row_${r} = min(begin + ${r}, dims.ROWS - 1);
  let first_${r} = row_${r} * cols;
  var near_${r} = V();
  var squares_${r} = V();`)}

  var count = 0.0;
  for (var c = lane; c < cols; c += WG) {
    count += 1.0;
${each(rows, (r) => `
    let value_${r} = x[first_${r} + c];
    let d_${r} = value_${r} - near_${r};
    near_${r} += d_${r} * (1.0 / count);
    squares_${r} += d_${r} * (value_${r} - near_${r});`)}
  }
${each(rows, (r) => `
  let mean_${r} = workgroup_sum(lane, count * across(near_${r})) / f32(C);
  let off_${r} = near_${r} - mean_${r};
  let rstd_${r} = inverseSqrt(workgroup_sum(lane, across(squares_${r} + count * off_${r} * off_${r})) / f32(C) + EPS);`)}

  for (var c = lane; c < cols; c += WG) {
    let weight = w[c];
    let bias = b[c];
${each(rows, (r) => `    y[first_${r} + c] = (x[first_${r} + c] - mean_${r}) * rstd_${r} * weight + bias;`)}
  }
  if (lane == 0u) {
${each(rows, (r) => `
    means[row_${r}] = mean_${r};
    rstds[row_${r}] = rstd_${r};`)}
  }
`);

/**
 * dx = rstd * (g - mean(g) - xhat * mean(g * xhat)) with g = dy * w, xhat = (x - mean) * rstd; if `adds`, plus r, another
 * gradient of x.
 */
export const layernormBackwardInput = ({ oneSubgroup, vectors }: LayernormVariant, adds: boolean): string =>
  reducingKernel(oneSubgroup, wgsl`
override C: u32;
struct Dims { ROWS: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> x: array<V>;         // [ROWS, C]
@group(0) @binding(2) var<storage, read> w: array<V>;         // [C]
@group(0) @binding(3) var<storage, read> means: array<f32>;   // [ROWS]
@group(0) @binding(4) var<storage, read> rstds: array<f32>;   // [ROWS]
@group(0) @binding(5) var<storage, read> dy: array<V>;        // [ROWS, C]
#if ${adds}
@group(0) @binding(6) var<storage, read> r: array<V>;         // [ROWS, C]
@group(0) @binding(7) var<storage, read_write> dx: array<V>;  // [ROWS, C]
#else
@group(0) @binding(6) var<storage, read_write> dx: array<V>;  // [ROWS, C]
#endif
${rowVector(vectors)}
`, wgsl`
  let row = ${GROUP_INDEX};
  if (row >= dims.ROWS) { return; }
  let cols = C / WIDTH;
  let first = row * cols;
  let mean = means[row];
  let rstd = rstds[row];

  var total = V();
  var total_xhat = V();
  for (var c = lane; c < cols; c += WG) {
    let g = dy[first + c] * w[c];
    total += g;
    total_xhat += g * (x[first + c] - mean) * rstd;
  }
  let mean_g = workgroup_sum(lane, across(total)) / f32(C);
  let mean_g_xhat = workgroup_sum(lane, across(total_xhat)) / f32(C);

  for (var c = lane; c < cols; c += WG) {
    let xhat = (x[first + c] - mean) * rstd;
    dx[first + c] = rstd * (dy[first + c] * w[c] - mean_g - xhat * mean_g_xhat)${adds ? ' + r[first + c]' : ''};
  }
`);

/** partial[s, 0, c] = sum of dy * xhat, partial[s, 1, c] = sum of dy over the s-th chunk of rows; a thread per V of columns. */
export const layernormPartial = (vectors: boolean): string => wgsl`
override WG: u32;
override C: u32;
override CHUNK: u32;
struct Dims { ROWS: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> x: array<V>;              // [ROWS, C]
@group(0) @binding(2) var<storage, read> means: array<f32>;        // [ROWS]
@group(0) @binding(3) var<storage, read> rstds: array<f32>;        // [ROWS]
@group(0) @binding(4) var<storage, read> dy: array<V>;             // [ROWS, C]
@group(0) @binding(5) var<storage, read_write> partial: array<V>;  // [ceil(ROWS / CHUNK), 2, C]
${rowVector(vectors)}
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let cols = C / WIDTH;
  let c = group.x * WG + lane;
  if (c >= cols) { return; }
  let first = group.y * CHUNK;
  var dw = V();
  var db = V();
  for (var row = first; row < min(first + CHUNK, dims.ROWS); row++) {
    let g = dy[row * cols + c];
    dw += g * (x[row * cols + c] - means[row]) * rstds[row];
    db += g;
  }
  partial[(2u * group.y) * cols + c] = dw;
  partial[(2u * group.y + 1u) * cols + c] = db;
}
`;

/** dw and db: the sums of the partial sums, always in the same order. */
export const layernormBackwardParameters = wgsl`
override WG: u32;
override C: u32;
struct Dims { CHUNKS: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> partial: array<f32>;   // [CHUNKS, 2, C]
@group(0) @binding(2) var<storage, read_write> dw: array<f32>;  // [C]
@group(0) @binding(3) var<storage, read_write> db: array<f32>;  // [C]
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let c = group.x * WG + lane;
  if (c >= C) { return; }
  var total_w = 0.0;
  var total_b = 0.0;
  for (var s = 0u; s < dims.CHUNKS; s++) {
    total_w += partial[(2u * s) * C + c];
    total_b += partial[(2u * s + 1u) * C + c];
  }
  dw[c] = total_w;
  db[c] = total_b;
}
`;
