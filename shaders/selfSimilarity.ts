/** Cosine similarity of all pairs of rows: symmetric, so tiles below the diagonal are not computed but mirrored. */
import { rowKernel } from './parts/rows.js';
import { wgsl } from './parts/wgsl.js';

/** Side of the square tiles, of which each of 64 threads has 4 by 4. */
export const SIMILARITY_SIDE = 32;

/** Least product of two norms (torch.nn.functional.cosine_similarity's default). */
const EPS = '1e-8';

/** norm = sqrt(sum(k * k)) of each row */
export const similarityNorms = (oneSubgroup: boolean): string => rowKernel(oneSubgroup, wgsl`
@group(0) @binding(1) var<storage, read> k: array<f32>;            // [ROWS, N]
@group(0) @binding(2) var<storage, read_write> norms: array<f32>;  // [ROWS]
`, wgsl`
  var total = 0.0;
  for (var n = lane; n < dims.N; n += WG) { total += k[first + n] * k[first + n]; }
  total = workgroup_sum(lane, total);
  if (lane == 0u) { norms[row] = sqrt(total); }
`);

/** `load_k(token, g)`: elements 4 g ... 4 g + 3 of a row, zeros past its end; `store(image, i, j, product)`: s_ij and s_ji. */
export const similarityBindings = (vectors: boolean): string => wgsl`
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

/** s_ij = k_i k_j / max(|k_i| |k_j|, EPS); a workgroup has a tile on or above the diagonal, a thread 4 by 4 of it. */
export const similarityTiled = (vectors: boolean): string => wgsl`
${similarityBindings(vectors)}
const SIDE = ${SIMILARITY_SIDE}u;
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

/**
 * w such that dk = w k. With g_ij = ds_ij + ds_ji and n = |k_i| |k_j|, the derivative of s_ij by k_i is k_j / n - s_ij k_i /
 * |k_i|^2, or k_j / EPS if n < EPS. Hence w_ij = g_ij / max(n, EPS), and w_ii is less by sum_j g_ij s_ij / |k_i|^2 over the j
 * with n >= EPS.
 */
export const similarityBackward = (oneSubgroup: boolean): string => rowKernel(oneSubgroup, wgsl`
@group(0) @binding(1) var<storage, read> norms: array<f32>;    // [B, T]
@group(0) @binding(2) var<storage, read> s: array<f32>;        // [B, T, T]
@group(0) @binding(3) var<storage, read> ds: array<f32>;       // [B, T, T]
@group(0) @binding(4) var<storage, read_write> w: array<f32>;  // [B, T, T]
`, wgsl`
  let T = dims.N;
  let i = row % T;
  let image = row - i;
  let norm = norms[row];
  var own = 0.0;
  var total = 0.0;
  for (var j = lane; j < T; j += WG) {
    let both = ds[row * T + j] + ds[(image + j) * T + i];
    let n = norm * norms[image + j];
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
`);
