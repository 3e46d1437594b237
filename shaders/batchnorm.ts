/**
 * Batch normalisation with the statistics of the batch at hand. A channel has up to millions of elements: where it is large, what
 * reduces it works on chunks (CHUNK elements of one plane of one image, a workgroup each), and whoever needs the whole adds up the
 * chunks. A small channel is one workgroup's work, in a single launch.
 */
import { GROUP_INDEX } from './common.js';
import { rowFragments } from './rows.js';
import { wgsl } from './wgsl.js';

/** Sizes, and where a workgroup finds its chunk: chunk s of channel c, S chunks per channel, all images one after the other. */
const chunks = wgsl`
override WG: u32;
override CHUNK: u32;
struct Dims { B: u32, C: u32, HW: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;

struct Chunk { c: u32, first: u32, count: u32 }

fn chunks_per_plane() -> u32 { return (dims.HW + CHUNK - 1u) / CHUNK; }
fn chunks_per_channel() -> u32 { return dims.B * chunks_per_plane(); }

/** Elements of chunk s; only the last of a plane has fewer than CHUNK. */
fn chunk_count(s: u32) -> u32 { return min(CHUNK, dims.HW - (s % chunks_per_plane()) * CHUNK); }

/** The chunk of workgroup \`index\`; \`first\` is its first element in a [B, C, H, W] tensor. */
fn chunk_at(index: u32) -> Chunk {
  let c = index / chunks_per_channel();
  let s = index % chunks_per_channel();
  let plane = (s / chunks_per_plane()) * dims.C + c;
  return Chunk(c, plane * dims.HW + (s % chunks_per_plane()) * CHUNK, chunk_count(s));
}

fn chunk_index(group: vec3u) -> u32 { return ${GROUP_INDEX}; }
fn is_chunk(index: u32) -> bool { return index < dims.C * chunks_per_channel(); }
`;

/** Sizes for kernels whose workgroup has a whole channel. */
const channels = wgsl`
override WG: u32;
struct Dims { B: u32, C: u32, HW: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
fn plane_start(image: u32, c: u32) -> u32 { return (image * dims.C + c) * dims.HW; }
`;

/** What each element goes through: z = xhat * w + b, then leaky ReLU. SLOPE 1 is no activation. */
const normalised = wgsl`
override SLOPE: f32;
fn xhat_of(x: f32, mean_rstd: vec2f) -> f32 { return (x - mean_rstd.x) * mean_rstd.y; }
fn activation_derivative(z: f32) -> f32 { return select(SLOPE, 1.0, z > 0.0); }
`;

/**
 * partial[c, s] = (mean, sum of (x - mean)^2) of a chunk. Lanes run Welford's algorithm on differences to the chunk's first element,
 * which keeps the digits that a large mean would take; then lanes, like chunks later, are merged by
 * M2 = sum over parts of M2_i + n_i (mean_i - mean)^2 (Chan, Golub and LeVeque 1983).
 */
export const batchnormPartial = (oneSubgroup: boolean): string => wgsl`
${rowFragments(oneSubgroup).enable}
${chunks}
@group(0) @binding(1) var<storage, read> x: array<f32>;                // [B, C, H, W]
@group(0) @binding(2) var<storage, read_write> partial: array<vec2f>;  // [C, S]
${rowFragments(oneSubgroup).sum}
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = chunk_index(group);
  if (!is_chunk(index)) { return; }
  let chunk = chunk_at(index);
  let origin = x[chunk.first];

  var n = 0.0;
  var lane_mean = 0.0;
  var squares = 0.0;
  for (var i = lane; i < chunk.count; i += WG) {
    let v = x[chunk.first + i] - origin;
    let d = v - lane_mean;
    n += 1.0;
    lane_mean += d / n;
    squares += d * (v - lane_mean);
  }

  let mean = workgroup_sum(lane, n * lane_mean) / f32(chunk.count);
  let off = lane_mean - mean;
  let total = workgroup_sum(lane, squares + n * off * off);
  if (lane == 0u) { partial[index] = vec2f(origin + mean, total); }
}
`;

/** (mean, 1 / sqrt(var + EPS)) of a channel, var the biased variance; the same to the last bit in every workgroup that asks. */
const channelStatistics = wgsl`
override EPS: f32;
fn channel_statistics(lane: u32, c: u32) -> vec2f {
  let S = chunks_per_channel();
  let N = f32(dims.B * dims.HW);
  let origin = partial[c * S].x;

  var total = 0.0;
  for (var s = lane; s < S; s += WG) { total += f32(chunk_count(s)) * (partial[c * S + s].x - origin); }
  let mean = origin + workgroup_sum(lane, total) / N;

  var squares = 0.0;
  for (var s = lane; s < S; s += WG) {
    let part = partial[c * S + s];
    let off = part.x - mean;
    squares += part.y + f32(chunk_count(s)) * off * off;
  }
  let variance = workgroup_sum(lane, squares) / N;
  return vec2f(mean, inverseSqrt(variance + EPS));
}
`;

/** y = leakyRelu(xhat * w + b) with xhat = (x - mean) * rstd, statistics from the chunks; a workgroup per chunk. */
export const batchnormForward = (oneSubgroup: boolean): string => wgsl`
${rowFragments(oneSubgroup).enable}
${chunks}
${normalised}
@group(0) @binding(1) var<storage, read> x: array<f32>;                   // [B, C, H, W]
@group(0) @binding(2) var<storage, read> partial: array<vec2f>;           // [C, S]
@group(0) @binding(3) var<storage, read> w: array<f32>;                   // [C]
@group(0) @binding(4) var<storage, read> b: array<f32>;                   // [C]
@group(0) @binding(5) var<storage, read_write> y: array<f32>;             // [B, C, H, W]
@group(0) @binding(6) var<storage, read_write> statistics: array<vec2f>;  // [C]
${rowFragments(oneSubgroup).sum}
${channelStatistics}
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = chunk_index(group);
  if (!is_chunk(index)) { return; }
  let chunk = chunk_at(index);
  let mean_rstd = channel_statistics(lane, chunk.c);
  if (lane == 0u && index % chunks_per_channel() == 0u) { statistics[chunk.c] = mean_rstd; }
  let scale = w[chunk.c];
  let shift = b[chunk.c];
  for (var i = chunk.first + lane; i < chunk.first + chunk.count; i += WG) {
    let z = xhat_of(x[i], mean_rstd) * scale + shift;
    y[i] = z * activation_derivative(z);
  }
}
`;

/** The same with statistics that are known. */
export const batchnormGivenForward = wgsl`
${chunks}
${normalised}
@group(0) @binding(1) var<storage, read> x: array<f32>;             // [B, C, H, W]
@group(0) @binding(2) var<storage, read> statistics: array<vec2f>;  // [C]
@group(0) @binding(3) var<storage, read> w: array<f32>;             // [C]
@group(0) @binding(4) var<storage, read> b: array<f32>;             // [C]
@group(0) @binding(5) var<storage, read_write> y: array<f32>;       // [B, C, H, W]
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = chunk_index(group);
  if (!is_chunk(index)) { return; }
  let chunk = chunk_at(index);
  let mean_rstd = statistics[chunk.c];
  let scale = w[chunk.c];
  let shift = b[chunk.c];
  for (var i = chunk.first + lane; i < chunk.first + chunk.count; i += WG) {
    let z = xhat_of(x[i], mean_rstd) * scale + shift;
    y[i] = z * activation_derivative(z);
  }
}
`;

/** The same for small channels, a workgroup each: their values are read twice, once for the statistics. */
export const batchnormSmallForward = (oneSubgroup: boolean): string => wgsl`
${rowFragments(oneSubgroup).enable}
${channels}
${normalised}
override EPS: f32;
@group(0) @binding(1) var<storage, read> x: array<f32>;                   // [B, C, H, W]
@group(0) @binding(2) var<storage, read> w: array<f32>;                   // [C]
@group(0) @binding(3) var<storage, read> b: array<f32>;                   // [C]
@group(0) @binding(4) var<storage, read_write> y: array<f32>;             // [B, C, H, W]
@group(0) @binding(5) var<storage, read_write> statistics: array<vec2f>;  // [C]
${rowFragments(oneSubgroup).sum}
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let c = group.x;
  let N = f32(dims.B * dims.HW);
  let origin = x[c * dims.HW];

  var n = 0.0;
  var lane_mean = 0.0;
  var squares = 0.0;
  for (var image = 0u; image < dims.B; image++) {
    let first = plane_start(image, c);
    for (var i = first + lane; i < first + dims.HW; i += WG) {
      let v = x[i] - origin;
      let d = v - lane_mean;
      n += 1.0;
      lane_mean += d / n;
      squares += d * (v - lane_mean);
    }
  }
  let mean = workgroup_sum(lane, n * lane_mean) / N;
  let off = lane_mean - mean;
  let variance = workgroup_sum(lane, squares + n * off * off) / N;
  let mean_rstd = vec2f(origin + mean, inverseSqrt(variance + EPS));
  if (lane == 0u) { statistics[c] = mean_rstd; }

  let scale = w[c];
  let shift = b[c];
  for (var image = 0u; image < dims.B; image++) {
    let first = plane_start(image, c);
    for (var i = first + lane; i < first + dims.HW; i += WG) {
      let z = xhat_of(x[i], mean_rstd) * scale + shift;
      y[i] = z * activation_derivative(z);
    }
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
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = chunk_index(group);
  if (!is_chunk(index)) { return; }
  let chunk = chunk_at(index);
  let mean_rstd = statistics[chunk.c];
  let scale = w[chunk.c];
  let shift = b[chunk.c];
  var dw = 0.0;
  var db = 0.0;
  for (var i = chunk.first + lane; i < chunk.first + chunk.count; i += WG) {
    let xhat = xhat_of(x[i], mean_rstd);
    let dz = dy[i] * activation_derivative(xhat * scale + shift);
    dw += dz * xhat;
    db += dz;
  }
  dw = workgroup_sum(lane, dw);
  db = workgroup_sum(lane, db);
  if (lane == 0u) {
    partial[index + chunk.c] = vec2f(dw, db);
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
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = chunk_index(group);
  if (!is_chunk(index)) { return; }
  let chunk = chunk_at(index);
  let S = chunks_per_channel();
  var total = vec2f();
  for (var s = lane; s < S; s += WG) { total += partial[chunk.c * (S + 1u) + s]; }
  let sum_dz_xhat = workgroup_sum(lane, total.x);
  let sum_dz = workgroup_sum(lane, total.y);
  if (lane == 0u && index % S == 0u) {
    dw[chunk.c] = sum_dz_xhat;
    db[chunk.c] = sum_dz;
  }
  let mean_rstd = partial[chunk.c * (S + 1u) + S];
  let scale = w[chunk.c];
  let shift = b[chunk.c];
  let N = f32(dims.B * dims.HW);
  for (var i = chunk.first + lane; i < chunk.first + chunk.count; i += WG) {
    let xhat = xhat_of(x[i], mean_rstd);
    let dz = dy[i] * activation_derivative(xhat * scale + shift);
    dx[i] = scale * mean_rstd.y * (dz - sum_dz / N - xhat * (sum_dz_xhat / N));
  }
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
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let c = group.x;
  let mean_rstd = statistics[c];
  let scale = w[c];
  let shift = b[c];
  var total = vec2f();
  for (var image = 0u; image < dims.B; image++) {
    let first = plane_start(image, c);
    for (var i = first + lane; i < first + dims.HW; i += WG) {
      let xhat = xhat_of(x[i], mean_rstd);
      let dz = dy[i] * activation_derivative(xhat * scale + shift);
      total += vec2f(dz * xhat, dz);
    }
  }
  let sum_dz_xhat = workgroup_sum(lane, total.x);
  let sum_dz = workgroup_sum(lane, total.y);
  if (lane == 0u) {
    dw[c] = sum_dz_xhat;
    db[c] = sum_dz;
  }
  let N = f32(dims.B * dims.HW);
  for (var image = 0u; image < dims.B; image++) {
    let first = plane_start(image, c);
    for (var i = first + lane; i < first + dims.HW; i += WG) {
      let xhat = xhat_of(x[i], mean_rstd);
      let dz = dy[i] * activation_derivative(xhat * scale + shift);
      dx[i] = scale * mean_rstd.y * (dz - sum_dz / N - xhat * (sum_dz_xhat / N));
    }
  }
}
`;
