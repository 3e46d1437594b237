/**
 * Batch normalisation with the statistics of the batch itself. A large channel has up to millions of elements: its kernels work
 * on chunks, and those that need the whole channel add up its chunks. A small channel is one workgroup's work, in one launch.
 */
import { channelKernel, chunkKernel } from './parts/channels.js';
import { wgsl } from './parts/wgsl.js';

/** Steps of an element: xhat, z = xhat * w + b, then leaky ReLU. SLOPE 1 is the identity. */
const activated = wgsl`
override SLOPE: f32;
fn xhat_of(x: f32, mean_rstd: vec2f) -> f32 { return (x - mean_rstd.x) * mean_rstd.y; }
fn activation_derivative(z: f32) -> f32 { return select(SLOPE, 1.0, z > 0.0); }
`;

/** `normalise`: y = leakyRelu(xhat * w + b) of `count` elements of channel c. */
const normalise = wgsl`
${activated}
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
 * `moments`: a lane's moments after `count` more elements, by Welford's algorithm on differences to some element of the channel,
 * which keeps the digits that a large mean would take. `merge`: (mean, sum of (x - mean)^2) of the N elements of all lanes, by
 * M2 = sum over parts of M2_i + n_i (mean_i - mean)^2 (Chan, Golub and LeVeque 1983). Chunks are merged in the same way.
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
export const batchnormPartial = (oneSubgroup: boolean): string => chunkKernel(oneSubgroup, wgsl`
@group(0) @binding(1) var<storage, read> x: array<f32>;                // [B, C, H, W]
@group(0) @binding(2) var<storage, read_write> partial: array<vec2f>;  // [C, S]
${welford}
`, wgsl`
  let origin = x[chunk.first];
  let merged = merge(lane, moments(Moments(), lane, chunk.first, chunk.count, origin), f32(chunk.count));
  if (lane == 0u) { partial[index] = vec2f(origin + merged.x, merged.y); }
`);

/** (mean, 1 / sqrt(var + EPS)) of a channel, var the biased variance; bit-identical in every workgroup that calls it. */
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

/** y = leakyRelu(xhat * w + b) with xhat = (x - mean) * rstd, statistics from the chunks. */
export const batchnormForward = (oneSubgroup: boolean): string => chunkKernel(oneSubgroup, wgsl`
@group(0) @binding(1) var<storage, read> x: array<f32>;                   // [B, C, H, W]
@group(0) @binding(2) var<storage, read> partial: array<vec2f>;           // [C, S]
@group(0) @binding(3) var<storage, read> w: array<f32>;                   // [C]
@group(0) @binding(4) var<storage, read> b: array<f32>;                   // [C]
@group(0) @binding(5) var<storage, read_write> y: array<f32>;             // [B, C, H, W]
@group(0) @binding(6) var<storage, read_write> statistics: array<vec2f>;  // [C]
${channelStatistics}
${normalise}
`, wgsl`
  let mean_rstd = channel_statistics(lane, chunk.c);
  if (lane == 0u && index % chunks_per_channel() == 0u) { statistics[chunk.c] = mean_rstd; }
  normalise(lane, chunk.first, chunk.count, chunk.c, mean_rstd);
`);

/** The same with statistics that are known. */
export const batchnormGivenForward = chunkKernel(false, wgsl`
@group(0) @binding(1) var<storage, read> x: array<f32>;             // [B, C, H, W]
@group(0) @binding(2) var<storage, read> statistics: array<vec2f>;  // [C]
@group(0) @binding(3) var<storage, read> w: array<f32>;             // [C]
@group(0) @binding(4) var<storage, read> b: array<f32>;             // [C]
@group(0) @binding(5) var<storage, read_write> y: array<f32>;       // [B, C, H, W]
${normalise}
`, wgsl`
  let mean_rstd = statistics[chunk.c];
  normalise(lane, chunk.first, chunk.count, chunk.c, mean_rstd);
`);

/** The same for small channels: their values are read twice, once for the statistics. */
export const batchnormSmallForward = (oneSubgroup: boolean): string => channelKernel(oneSubgroup, wgsl`
override EPS: f32;
@group(0) @binding(1) var<storage, read> x: array<f32>;                   // [B, C, H, W]
@group(0) @binding(2) var<storage, read> w: array<f32>;                   // [C]
@group(0) @binding(3) var<storage, read> b: array<f32>;                   // [C]
@group(0) @binding(4) var<storage, read_write> y: array<f32>;             // [B, C, H, W]
@group(0) @binding(5) var<storage, read_write> statistics: array<vec2f>;  // [C]
${welford}
${normalise}
`, wgsl`
  let N = f32(dims.B * dims.HW);
  let origin = x[c * dims.HW];
  var own = Moments();
  for (var image = 0u; image < dims.B; image++) { own = moments(own, lane, plane_start(image, c), dims.HW, origin); }
  let merged = merge(lane, own, N);
  let mean_rstd = vec2f(origin + merged.x, inverseSqrt(merged.y / N + EPS));
  if (lane == 0u) { statistics[c] = mean_rstd; }
  for (var image = 0u; image < dims.B; image++) { normalise(lane, plane_start(image, c), dims.HW, c, mean_rstd); }
`);

/** Sums over all lanes. */
const mergedSums = wgsl`
fn merge(lane: u32, sums: vec2f) -> vec2f { return vec2f(workgroup_sum(lane, sums.x), workgroup_sum(lane, sums.y)); }
`;

/**
 * `gradient_sums`: a lane's part of (sum of dz * xhat, sum of dz) over `count` elements of channel c, dz = dy * leakyRelu'(z).
 */
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
 * partial[c, s] = (sum of dz * xhat, sum of dz) over a chunk, with dz = dy * leakyRelu'(z); to compute z again is cheaper than to
 * keep it. The statistics of a channel follow its S chunks: the next launch has no binding left for them.
 */
export const batchnormBackwardPartial = (oneSubgroup: boolean): string => chunkKernel(oneSubgroup, wgsl`
@group(0) @binding(1) var<storage, read> x: array<f32>;                // [B, C, H, W]
@group(0) @binding(2) var<storage, read> statistics: array<vec2f>;     // [C]
@group(0) @binding(3) var<storage, read> w: array<f32>;                // [C]
@group(0) @binding(4) var<storage, read> b: array<f32>;                // [C]
@group(0) @binding(5) var<storage, read> dy: array<f32>;               // [B, C, H, W]
@group(0) @binding(6) var<storage, read_write> partial: array<vec2f>;  // [C, S + 1]
${activated}
${mergedSums}
${gradientSums}
`, wgsl`
  let mean_rstd = statistics[chunk.c];
  let total = merge(lane, gradient_sums(lane, chunk.first, chunk.count, chunk.c, mean_rstd));
  if (lane == 0u) {
    partial[index + chunk.c] = total;
    if ((index + 1u) % chunks_per_channel() == 0u) { partial[index + chunk.c + 1u] = mean_rstd; }
  }
`);

/**
 * dx = w * rstd * (dz - mean(dz) - xhat * mean(dz * xhat)) with dz = dy * leakyRelu'(z); dw and db are the sums of dz * xhat and
 * dz. Every workgroup adds them up from the chunks, the first of a channel writes them.
 */
export const batchnormBackward = (oneSubgroup: boolean): string => chunkKernel(oneSubgroup, wgsl`
@group(0) @binding(1) var<storage, read> x: array<f32>;          // [B, C, H, W]
@group(0) @binding(2) var<storage, read> partial: array<vec2f>;  // [C, S + 1]
@group(0) @binding(3) var<storage, read> w: array<f32>;          // [C]
@group(0) @binding(4) var<storage, read> b: array<f32>;          // [C]
@group(0) @binding(5) var<storage, read> dy: array<f32>;         // [B, C, H, W]
@group(0) @binding(6) var<storage, read_write> dx: array<f32>;   // [B, C, H, W]
@group(0) @binding(7) var<storage, read_write> dw: array<f32>;   // [C]
@group(0) @binding(8) var<storage, read_write> db: array<f32>;   // [C]
${activated}
${mergedSums}
${inputGradient}
`, wgsl`
  let S = chunks_per_channel();
  var total = vec2f();
  for (var s = lane; s < S; s += WG) { total += partial[chunk.c * (S + 1u) + s]; }
  let sums = merge(lane, total);
  if (lane == 0u && index % S == 0u) {
    dw[chunk.c] = sums.x;
    db[chunk.c] = sums.y;
  }
  input_gradient(lane, chunk.first, chunk.count, chunk.c, partial[chunk.c * (S + 1u) + S], sums);
`);

/** The same for small channels. */
export const batchnormSmallBackward = (oneSubgroup: boolean): string => channelKernel(oneSubgroup, wgsl`
@group(0) @binding(1) var<storage, read> x: array<f32>;             // [B, C, H, W]
@group(0) @binding(2) var<storage, read> statistics: array<vec2f>;  // [C]
@group(0) @binding(3) var<storage, read> w: array<f32>;             // [C]
@group(0) @binding(4) var<storage, read> b: array<f32>;             // [C]
@group(0) @binding(5) var<storage, read> dy: array<f32>;            // [B, C, H, W]
@group(0) @binding(6) var<storage, read_write> dx: array<f32>;      // [B, C, H, W]
@group(0) @binding(7) var<storage, read_write> dw: array<f32>;      // [C]
@group(0) @binding(8) var<storage, read_write> db: array<f32>;      // [C]
${activated}
${mergedSums}
${gradientSums}
${inputGradient}
`, wgsl`
  let mean_rstd = statistics[c];
  var total = vec2f();
  for (var image = 0u; image < dims.B; image++) { total += gradient_sums(lane, plane_start(image, c), dims.HW, c, mean_rstd); }
  let sums = merge(lane, total);
  if (lane == 0u) {
    dw[c] = sums.x;
    db[c] = sums.y;
  }
  for (var image = 0u; image < dims.B; image++) { input_gradient(lane, plane_start(image, c), dims.HW, c, mean_rstd, sums); }
`);
