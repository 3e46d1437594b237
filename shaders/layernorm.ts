/** Layer normalisation: rows of C elements, one workgroup per row. */
import { GROUP_INDEX } from './common.js';
import { rowFragments, rowVector } from './rows.js';
import { wgsl } from './wgsl.js';

/** What the kernels differ in: whether a workgroup is one subgroup, and whether C is a multiple of four. */
export interface LayernormVariant {
  readonly oneSubgroup: boolean;
  readonly vectors: boolean;
}

/**
 * y = (x - mean) * rstd * w + b with rstd = 1 / sqrt(var + EPS), var the biased variance.
 *
 * The first estimate of the mean loses digits where the mean is large against the spread; the second pass finds what it is
 * off by (`rest`) along with the variance, so that only differences to x are ever rounded.
 */
export const layernormForward = ({ oneSubgroup, vectors }: LayernormVariant): string => wgsl`
${rowFragments(oneSubgroup).enable}
override WG: u32;
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
${rowFragments(oneSubgroup).sum}
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = ${GROUP_INDEX};
  if (row >= dims.ROWS) { return; }
  let cols = C / WIDTH;
  let first = row * cols;

  var total = V();
  for (var c = lane; c < cols; c += WG) { total += x[first + c]; }
  let mean = workgroup_sum(lane, across(total)) / f32(C);

  var differences = V();
  var squares = V();
  for (var c = lane; c < cols; c += WG) {
    let d = x[first + c] - mean;
    differences += d;
    squares += d * d;
  }
  let rest = workgroup_sum(lane, across(differences)) / f32(C);
  let variance = workgroup_sum(lane, across(squares)) / f32(C) - rest * rest;
  let rstd = inverseSqrt(variance + EPS);

  for (var c = lane; c < cols; c += WG) { y[first + c] = (x[first + c] - mean - rest) * rstd * w[c] + b[c]; }
  if (lane == 0u) {
    means[row] = mean + rest;
    rstds[row] = rstd;
  }
}
`;

/** dx = rstd * (g - mean(g) - xhat * mean(g * xhat)) + r with g = dy * w, xhat = (x - mean) * rstd; r, if any, is another gradient of x. */
export const layernormBackwardInput = ({ oneSubgroup, vectors }: LayernormVariant, adds: boolean): string => wgsl`
${rowFragments(oneSubgroup).enable}
override WG: u32;
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
${rowFragments(oneSubgroup).sum}
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
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
}
`;

/** partial[s, 0, c] = sum of dy * xhat, partial[s, 1, c] = sum of dy, over the s-th chunk of rows; a thread per column. */
export const layernormPartial = wgsl`
override WG: u32;
override C: u32;
override CHUNK: u32;
struct Dims { ROWS: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> x: array<f32>;              // [ROWS, C]
@group(0) @binding(2) var<storage, read> means: array<f32>;          // [ROWS]
@group(0) @binding(3) var<storage, read> rstds: array<f32>;          // [ROWS]
@group(0) @binding(4) var<storage, read> dy: array<f32>;             // [ROWS, C]
@group(0) @binding(5) var<storage, read_write> partial: array<f32>;  // [ceil(ROWS / CHUNK), 2, C]
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let c = group.x * WG + lane;
  if (c >= C) { return; }
  let first = group.y * CHUNK;
  var dw = 0.0;
  var db = 0.0;
  for (var row = first; row < min(first + CHUNK, dims.ROWS); row++) {
    let g = dy[row * C + c];
    dw += g * (x[row * C + c] - means[row]) * rstds[row];
    db += g;
  }
  partial[(2u * group.y) * C + c] = dw;
  partial[(2u * group.y + 1u) * C + c] = db;
}
`;

/** dw and db: the partial sums added up, always in the same order. */
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
