/** Gradients of batch normalisation: of chunks where a channel is large, of whole channels where it is small. */
import { channels, chunks, normalised } from './batchnorm.js';
import { rowFragments } from './parts/rows.js';
import { wgsl } from './parts/wgsl.js';

/** Sums over all lanes. */
const merge = wgsl`
fn merge(lane: u32, sums: vec2f) -> vec2f { return vec2f(workgroup_sum(lane, sums.x), workgroup_sum(lane, sums.y)); }
`;

/** `gradient_sums`: a lane's part of (sum of dz * xhat, sum of dz) over `count` elements of channel c. */
const gradientSums = wgsl`
fn gradient_sums(lane: u32, first: u32, count: u32, c: u32, mean_rstd: vec2f) -> vec2f {
  let scale = w[c];
  let shift = b[c];
  var total = vec2f();
  for (var i = first + lane; i < first + count; i += WG) {
    let xhat = xhat_of(x[i], mean_rstd);
    let dz = dy[i] * activation_derivative(xhat * scale + shift);
    total += vec2f(dz * xhat, dz);
  }
  return total;
}
`;

/** `input_gradient`: dx of `count` elements of channel c, whose sums of dz * xhat and dz are known. */
const inputGradient = wgsl`
fn input_gradient(lane: u32, first: u32, count: u32, c: u32, mean_rstd: vec2f, sums: vec2f) {
  let scale = w[c];
  let shift = b[c];
  let N = f32(dims.B * dims.HW);
  for (var i = first + lane; i < first + count; i += WG) {
    let xhat = xhat_of(x[i], mean_rstd);
    let dz = dy[i] * activation_derivative(xhat * scale + shift);
    dx[i] = scale * mean_rstd.y * (dz - sums.y / N - xhat * (sums.x / N));
  }
}
`;

/**
 * partial[c, s] = (sum of dz * xhat, sum of dz) over a chunk, with dz = dy * leakyRelu'(z); z is cheaper made again than kept. Behind the
 * S chunks of a channel its statistics travel along: the launch that follows could not bind them, too.
 */
export const batchnormBackwardPartial = (oneSubgroup: boolean): string => wgsl`
${rowFragments(oneSubgroup).enable}
${chunks}
${normalised}
@group(0) @binding(1) var<storage, read> x: array<f32>;                // [B, C, H, W]
@group(0) @binding(2) var<storage, read> statistics: array<vec2f>;     // [C]
@group(0) @binding(3) var<storage, read> w: array<f32>;                // [C]
@group(0) @binding(4) var<storage, read> b: array<f32>;                // [C]
@group(0) @binding(5) var<storage, read> dy: array<f32>;               // [B, C, H, W]
@group(0) @binding(6) var<storage, read_write> partial: array<vec2f>;  // [C, S + 1]
${rowFragments(oneSubgroup).sum}
${merge}
${gradientSums}
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = chunk_index(group);
  if (!is_chunk(index)) { return; }
  let chunk = chunk_at(index);
  let mean_rstd = statistics[chunk.c];
  let total = merge(lane, gradient_sums(lane, chunk.first, chunk.count, chunk.c, mean_rstd));
  if (lane == 0u) {
    partial[index + chunk.c] = total;
    if ((index + 1u) % chunks_per_channel() == 0u) { partial[index + chunk.c + 1u] = mean_rstd; }
  }
}
`;

/**
 * dx = w * rstd * (dz - mean(dz) - xhat * mean(dz * xhat)) with dz = dy * leakyRelu'(z); dw and db are the sums of dz * xhat and dz, which every
 * workgroup adds up from the chunks and the first of a channel writes.
 */
export const batchnormBackward = (oneSubgroup: boolean): string => wgsl`
${rowFragments(oneSubgroup).enable}
${chunks}
${normalised}
@group(0) @binding(1) var<storage, read> x: array<f32>;          // [B, C, H, W]
@group(0) @binding(2) var<storage, read> partial: array<vec2f>;  // [C, S + 1]
@group(0) @binding(3) var<storage, read> w: array<f32>;          // [C]
@group(0) @binding(4) var<storage, read> b: array<f32>;          // [C]
@group(0) @binding(5) var<storage, read> dy: array<f32>;         // [B, C, H, W]
@group(0) @binding(6) var<storage, read_write> dx: array<f32>;   // [B, C, H, W]
@group(0) @binding(7) var<storage, read_write> dw: array<f32>;   // [C]
@group(0) @binding(8) var<storage, read_write> db: array<f32>;   // [C]
${rowFragments(oneSubgroup).sum}
${merge}
${inputGradient}
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = chunk_index(group);
  if (!is_chunk(index)) { return; }
  let chunk = chunk_at(index);
  let S = chunks_per_channel();
  var total = vec2f();
  for (var s = lane; s < S; s += WG) { total += partial[chunk.c * (S + 1u) + s]; }
  let sums = merge(lane, total);
  if (lane == 0u && index % S == 0u) {
    dw[chunk.c] = sums.x;
    db[chunk.c] = sums.y;
  }
  input_gradient(lane, chunk.first, chunk.count, chunk.c, partial[chunk.c * (S + 1u) + S], sums);
}
`;

/** The same for small channels, a workgroup each. */
export const batchnormSmallBackward = (oneSubgroup: boolean): string => wgsl`
${rowFragments(oneSubgroup).enable}
${channels}
${normalised}
@group(0) @binding(1) var<storage, read> x: array<f32>;             // [B, C, H, W]
@group(0) @binding(2) var<storage, read> statistics: array<vec2f>;  // [C]
@group(0) @binding(3) var<storage, read> w: array<f32>;             // [C]
@group(0) @binding(4) var<storage, read> b: array<f32>;             // [C]
@group(0) @binding(5) var<storage, read> dy: array<f32>;            // [B, C, H, W]
@group(0) @binding(6) var<storage, read_write> dx: array<f32>;      // [B, C, H, W]
@group(0) @binding(7) var<storage, read_write> dw: array<f32>;      // [C]
@group(0) @binding(8) var<storage, read_write> db: array<f32>;      // [C]
${rowFragments(oneSubgroup).sum}
${merge}
${gradientSums}
${inputGradient}
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let c = group.x;
  let mean_rstd = statistics[c];
  var total = vec2f();
  for (var image = 0u; image < dims.B; image++) { total += gradient_sums(lane, plane_start(image, c), dims.HW, c, mean_rstd); }
  let sums = merge(lane, total);
  if (lane == 0u) {
    dw[c] = sums.x;
    db[c] = sums.y;
  }
  for (var image = 0u; image < dims.B; image++) { input_gradient(lane, plane_start(image, c), dims.HW, c, mean_rstd, sums); }
}
`;
