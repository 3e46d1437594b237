/**
 * Batch normalisation with the statistics of the batch at hand. A channel has up to millions of elements: where it is large, what
 * reduces it works on chunks (CHUNK elements of one plane of one image, a workgroup each), and whoever needs the whole adds up the
 * chunks. A small channel is one workgroup's work, in a single launch.
 */
import { GROUP_INDEX } from './parts/common.js';
import { rowFragments } from './parts/rows.js';
import { wgsl } from './parts/wgsl.js';

/** Sizes, and where a workgroup finds its chunk: chunk s of channel c, S chunks per channel, all images one after the other. */
export const chunks = wgsl`
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
export const channels = wgsl`
override WG: u32;
struct Dims { B: u32, C: u32, HW: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
fn plane_start(image: u32, c: u32) -> u32 { return (image * dims.C + c) * dims.HW; }
`;

/** What each element goes through: z = xhat * w + b, then leaky ReLU. SLOPE 1 is no activation. */
export const normalised = wgsl`
override SLOPE: f32;
fn xhat_of(x: f32, mean_rstd: vec2f) -> f32 { return (x - mean_rstd.x) * mean_rstd.y; }
fn activation_derivative(z: f32) -> f32 { return select(SLOPE, 1.0, z > 0.0); }
`;

/** `normalise`: y = leakyRelu(xhat * w + b) of `count` elements of channel c. */
const normalise = wgsl`
fn normalise(lane: u32, first: u32, count: u32, c: u32, mean_rstd: vec2f) {
  let scale = w[c];
  let shift = b[c];
  for (var i = first + lane; i < first + count; i += WG) {
    let z = xhat_of(x[i], mean_rstd) * scale + shift;
    y[i] = z * activation_derivative(z);
  }
}
`;

/**
 * `moments`: what a lane has seen, `count` elements later. Lanes run Welford's algorithm on differences to some element of the channel, which keeps the
 * digits that a large mean would take. `merge`: (mean, sum of (x - mean)^2) of the N elements of all lanes, by
 * M2 = sum over parts of M2_i + n_i (mean_i - mean)^2 (Chan, Golub and LeVeque 1983); so are chunks merged later.
 */
const welford = wgsl`
struct Moments { n: f32, mean: f32, squares: f32 }
fn moments(before: Moments, lane: u32, first: u32, count: u32, origin: f32) -> Moments {
  var m = before;
  for (var i = first + lane; i < first + count; i += WG) {
    let v = x[i] - origin;
    let d = v - m.mean;
    m.n += 1.0;
    m.mean += d / m.n;
    m.squares += d * (v - m.mean);
  }
  return m;
}
fn merge(lane: u32, m: Moments, N: f32) -> vec2f {
  let mean = workgroup_sum(lane, m.n * m.mean) / N;
  let off = m.mean - mean;
  return vec2f(mean, workgroup_sum(lane, m.squares + m.n * off * off));
}
`;

/** partial[c, s] = (mean, sum of (x - mean)^2) of a chunk. */
export const batchnormPartial = (oneSubgroup: boolean): string => wgsl`
${rowFragments(oneSubgroup).enable}
${chunks}
@group(0) @binding(1) var<storage, read> x: array<f32>;                // [B, C, H, W]
@group(0) @binding(2) var<storage, read_write> partial: array<vec2f>;  // [C, S]
${rowFragments(oneSubgroup).sum}
${welford}
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = chunk_index(group);
  if (!is_chunk(index)) { return; }
  let chunk = chunk_at(index);
  let origin = x[chunk.first];
  let merged = merge(lane, moments(Moments(), lane, chunk.first, chunk.count, origin), f32(chunk.count));
  if (lane == 0u) { partial[index] = vec2f(origin + merged.x, merged.y); }
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
${normalise}
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = chunk_index(group);
  if (!is_chunk(index)) { return; }
  let chunk = chunk_at(index);
  let mean_rstd = channel_statistics(lane, chunk.c);
  if (lane == 0u && index % chunks_per_channel() == 0u) { statistics[chunk.c] = mean_rstd; }
  normalise(lane, chunk.first, chunk.count, chunk.c, mean_rstd);
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
${normalise}
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = chunk_index(group);
  if (!is_chunk(index)) { return; }
  let chunk = chunk_at(index);
  let mean_rstd = statistics[chunk.c];
  normalise(lane, chunk.first, chunk.count, chunk.c, mean_rstd);
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
${welford}
${normalise}
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let c = group.x;
  let N = f32(dims.B * dims.HW);
  let origin = x[c * dims.HW];
  var own = Moments();
  for (var image = 0u; image < dims.B; image++) { own = moments(own, lane, plane_start(image, c), dims.HW, origin); }
  let merged = merge(lane, own, N);
  let mean_rstd = vec2f(origin + merged.x, inverseSqrt(merged.y / N + EPS));
  if (lane == 0u) { statistics[c] = mean_rstd; }
  for (var image = 0u; image < dims.B; image++) { normalise(lane, plane_start(image, c), dims.HW, c, mean_rstd); }
}
`;
