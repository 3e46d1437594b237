/** Cosine similarity of all pairs of rows: symmetric, so tiles below the diagonal are not computed but mirrored. */
import { each, GROUP_INDEX, remembered } from './parts/common.js';
import { rowFragments } from './parts/rows.js';
import { wgsl } from './parts/wgsl.js';

/** Sides of the square tiles: of one subgroup, and of the kernel with workgroup memory (4 by 4 for each of 64 threads). */
export const similaritySide = (lanes: number): number => (lanes ? 2 * lanes : 32);

/** Where the product of two norms is held (torch.nn.functional.cosine_similarity's default). */
const EPS = '1e-8';

/** norm = sqrt(sum(k * k)) of each row */
export const similarityNorms = (oneSubgroup: boolean): string => wgsl`
${rowFragments(oneSubgroup).enable}
override WG: u32;
override C: u32;
struct Dims { ROWS: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> k: array<f32>;            // [ROWS, C]
@group(0) @binding(2) var<storage, read_write> norms: array<f32>;  // [ROWS]
${rowFragments(oneSubgroup).sum}
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = ${GROUP_INDEX};
  if (row >= dims.ROWS) { return; }
  var total = 0.0;
  for (var c = lane; c < C; c += WG) { total += k[row * C + c] * k[row * C + c]; }
  total = workgroup_sum(lane, total);
  if (lane == 0u) { norms[row] = sqrt(total); }
}
`;

/** `load_k(token, g)`: elements 4 g ... 4 g + 3 of a row, zeros past its end; `store(image, i, j, product)` writes both mirror images. */
const declarations = (vectors: boolean): string => wgsl`
override C: u32;
struct Dims { T: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
#if ${vectors}
@group(0) @binding(1) var<storage, read> k: array<vec4f>;      // [B, T, C]
#else
@group(0) @binding(1) var<storage, read> k: array<f32>;        // [B, T, C]
#endif
@group(0) @binding(2) var<storage, read> norms: array<f32>;    // [B, T]
@group(0) @binding(3) var<storage, read_write> s: array<f32>;  // [B, T, T]
fn load_k(token: u32, g: u32) -> vec4f {
#if ${vectors}
  return select(vec4f(), k[token * (C / 4u) + g], 4u * g < C);
#else
  let c = 4u * g + vec4u(0u, 1u, 2u, 3u);
  let at = token * C + min(c, vec4u(C - 1u));
  return select(vec4f(), vec4f(k[at.x], k[at.y], k[at.z], k[at.w]), c < vec4u(C));
#endif
}
fn store(image: u32, i: u32, j: u32, product: f32) {
  if (i >= dims.T || j >= dims.T) { return; }
  let first = image * dims.T;
  let value = product / max(norms[first + i] * norms[first + j], ${EPS});
  s[(first + i) * dims.T + j] = value;
  s[(first + j) * dims.T + i] = value;
}
`;

/** s_ij = k_i k_j / max(|k_i| |k_j|, EPS); each workgroup a tile on or above the diagonal, each thread 4 by 4 of it. */
export const similarityTiled = (vectors: boolean): string => wgsl`
${declarations(vectors)}
const SIDE = 32u;
const STRIDE = 36u;  // padded: threads that store down a column hit different banks
const DEPTH = 16u;
var<workgroup> tile_a: array<f32, DEPTH * STRIDE>;  // [step along C, row]
var<workgroup> tile_b: array<f32, DEPTH * STRIDE>;  // [step along C, column]
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  if (group.x < group.y) { return; }
  let T = dims.T;
  let row = lane / 8u * 4u;
  let column = lane % 8u * 4u;
  var sums = array<vec4f, 4>();
  for (var c = 0u; c < C; c += DEPTH) {
    for (var i = lane; i < SIDE * DEPTH / 4u; i += 64u) {
      let line = i / 4u;
      let step = i % 4u * 4u;
      let a = load_k(group.z * T + min(group.y * SIDE + line, T - 1u), (c + step) / 4u);
      let b = load_k(group.z * T + min(group.x * SIDE + line, T - 1u), (c + step) / 4u);
      for (var e = 0u; e < 4u; e++) {
        tile_a[(step + e) * STRIDE + line] = a[e];
        tile_b[(step + e) * STRIDE + line] = b[e];
      }
    }
    workgroupBarrier();
    for (var step = 0u; step < DEPTH; step++) {
      let at = step * STRIDE + column;
      let b = vec4f(tile_b[at], tile_b[at + 1u], tile_b[at + 2u], tile_b[at + 3u]);
      for (var i = 0u; i < 4u; i++) { sums[i] += tile_a[step * STRIDE + row + i] * b; }
    }
    workgroupBarrier();
  }
  for (var i = 0u; i < 4u; i++) {
    for (var j = 0u; j < 4u; j++) { store(group.z, group.y * SIDE + row + i, group.x * SIDE + column + j, sums[i][j]); }
  }
}
`;

/** The same for a workgroup of one subgroup: a lane has two columns, and the rows, two of each lane, are handed around. */
export const similarityLanes = remembered((vectors: boolean, lanes: number): string => wgsl`
enable subgroups;
${declarations(vectors)}
const LANES = ${lanes}u;
@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  if (group.x < group.y) { return; }
  let first = group.z * dims.T;
  let last = dims.T - 1u;
  let row = group.y * 2u * LANES;
  let column = group.x * 2u * LANES + lane;
  var sums = array<vec2f, 2u * LANES>();
  for (var g = 0u; 4u * g < C; g++) {
${each(2, (m) => `
    let a${m} = load_k(first + min(row + ${m}u * LANES + lane, last), g);
    let b${m} = load_k(first + min(column + ${m}u * LANES, last), g);`)}
${each(2 * lanes, (i) => `
    let r${i} = subgroupBroadcast(a${Math.floor(i / lanes)}, ${i % lanes}u);
    sums[${i}] += vec2f(dot(r${i}, b0), dot(r${i}, b1));`)}
  }
  // In a loop that no compiler unrolls: a store for each sum takes long to compile.
  let rows = min(2u * LANES, dims.T - row);
  for (var i = 0u; i < rows; i++) {
    store(group.z, row + i, column, sums[i].x);
    store(group.z, row + i, column + LANES, sums[i].y);
  }
}
`);

/**
 * w such that dk = w k. With g_ij = ds_ij + ds_ji and n = |k_i| |k_j|, the derivative of s_ij by k_i is k_j / n - s_ij k_i / |k_i|^2, or k_j / EPS
 * where n is below EPS. Hence w_ij = g_ij / max(n, EPS), and from w_ii is taken sum_j g_ij s_ij / |k_i|^2 over the j whose n is not below EPS.
 */
export const similarityBackward = (oneSubgroup: boolean): string => wgsl`
${rowFragments(oneSubgroup).enable}
override WG: u32;
struct Dims { ROWS: u32, T: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> norms: array<f32>;    // [B, T]
@group(0) @binding(2) var<storage, read> s: array<f32>;        // [B, T, T]
@group(0) @binding(3) var<storage, read> ds: array<f32>;       // [B, T, T]
@group(0) @binding(4) var<storage, read_write> w: array<f32>;  // [B, T, T]
${rowFragments(oneSubgroup).sum}
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = ${GROUP_INDEX};
  if (row >= dims.ROWS) { return; }
  let T = dims.T;
  let i = row % T;
  let first = row - i;
  let norm = norms[row];
  var own = 0.0;
  var total = 0.0;
  for (var j = lane; j < T; j += WG) {
    let both = ds[row * T + j] + ds[(first + j) * T + i];
    let n = norm * norms[first + j];
    let weight = both / max(n, ${EPS});
    total += select(0.0, both * s[row * T + j], n >= ${EPS});
    if (j == i) {
      own = weight;
    } else {
      w[row * T + j] = weight;
    }
  }
  total = workgroup_sum(lane, total);
  if (lane == i % WG) { w[row * T + i] = own - select(0.0, total / (norm * norm), norm > 0.0); }
}
`;
