/** Gradients of a convolution by its input, weight and bias. */
import type { Gather } from './parts/gather.js';
import { reducingKernel } from './parts/rows.js';
import { tileProduct } from './parts/tileProduct.js';
import { wgsl } from './parts/wgsl.js';

/**
 * dx[i] = sum over k with (i + offset - k) divisible by stride of dy[(i + offset - k) / stride] w[k], along both axes. The taps
 * that divide depend on i mod stride alone, so every lattice of such pixels is a dense convolution of its own. `offset` is the
 * padding; 0 gives the gradient of the padded image, see `reflectFold`.
 */
export function backwardInputGather(K: number, stride: number, offset: number): Gather {
  const geometry = wgsl`
const LATTICE = ${stride}u;
fn origin(v: u32, first: u32) -> i32 { return i32((v * ${stride}u + first + ${offset}u) / ${stride}u); }
fn source(origin: i32, tap: u32) -> i32 { return origin - i32(tap); }
fn window(tap: u32, first: u32) -> u32 { return (first + ${offset}u) % ${stride}u + ${stride}u * tap; }
fn taps(first: u32) -> u32 { return (${K + stride - 1}u - window(0u, first)) / ${stride}u; }
fn inside(at: i32, size: u32) -> i32 { return select(-1, at, at >= 0 && at < i32(size)); }
`;
  return { geometry, taps: Math.ceil(K / stride), column: (q, t) => q - t };
}

/** Lanes that share a row of `reflectFold`. */
const FOLD_LANES = 32;

/** dx[i] = sum of the gradient of the padded image over all copies of pixel i: itself and up to two mirror images per axis. */
export const reflectFold = wgsl`
override PAD: i32;
struct Dims { H: i32, W: i32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> padded: array<f32>;    // [B C, H + 2 PAD, W + 2 PAD]
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;  // [B C, H, W]

fn mirrored_before(i: i32) -> bool { return i > 0 && i <= PAD; }
fn mirrored_after(i: i32, size: i32) -> bool { return i < size - 1 && i >= size - 1 - PAD; }
fn images(i: i32, size: i32) -> u32 { return 1 + u32(mirrored_before(i)) + u32(mirrored_after(i, size)); }

// The position of pixel i's m-th copy in the padded image.
fn image(m: u32, i: i32, size: i32) -> i32 {
  let before = m == 1 && mirrored_before(i);
  return PAD + select(select(2 * (size - 1) - i, -i, before), i, m == 0);
}

// A workgroup per row: finding the row of an element would take longer than the sum.
@compute @workgroup_size(${FOLD_LANES})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = i32(group.x);
  let plane = i32(group.y);
  for (var j = i32(lane); j < dims.W; j += ${FOLD_LANES}) {
    var total = 0.0;
    for (var mi = 0u; mi < images(i, dims.H); mi++) {
      let row = (plane * (dims.H + 2 * PAD) + image(mi, i, dims.H)) * (dims.W + 2 * PAD);
      for (var mj = 0u; mj < images(j, dims.W); mj++) { total += padded[row + image(mj, j, dims.W)]; }
    }
    dx[(plane * dims.H + i) * dims.W + j] = total;
  }
}
`;

/** Sizes and operands of the weight gradient. */
export const weightDims = wgsl`
override K: u32;
// STRIPS: strips in a row of pixels; SHARE: pixels (or strips) of a split
struct Dims { B: u32, O: u32, C: u32, XH: u32, XW: u32, YH: u32, YW: u32, STRIPS: u32, SHARE: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> x: array<f32>;         // [B, C, XH, XW]
@group(0) @binding(2) var<storage, read> dy: array<f32>;        // [B, O, YH, YW]
@group(0) @binding(3) var<storage, read_write> dw: array<f32>;  // [SPLITS, O, C, K, K], to be summed
`;

/**
 * dw[o, c, k] = sum over the split's pixels p of dy[o, p] x[c, source of tap k of p]. `geometry` is the forward one; `product`
 * makes the kernel of these operands.
 */
export const weightTiles = ({ geometry }: Gather, product = tileProduct()): string => product(wgsl`
${weightDims}
${geometry}
fn rows() -> u32 { return dims.O; }
fn cols() -> u32 { return dims.C * K * K; }
struct Step { x: u32, dy: u32, origin: vec2i }
struct Column { plane: u32, tap: vec2u, ok: bool }
struct Target { at: u32, ok: bool }

fn place(group: vec3u) -> Place {
  let begin = group.z * dims.SHARE;
  return Place(group.y * TM, group.x * TN, begin, min(begin + dims.SHARE, dims.B * dims.YH * dims.YW), group.z);
}

fn step(p: Place, k: u32) -> Step {
  let area = dims.YH * dims.YW;
  let b = k / area;
  let pixel = k % area;
  let origins = vec2i(origin(pixel / dims.YW, 0u), origin(pixel % dims.YW, 0u));
  return Step(b * dims.C * dims.XH * dims.XW, b * dims.O * area + pixel, origins);
}

fn column(p: Place, col: u32) -> Column {
  return Column(col / (K * K) * dims.XH * dims.XW, vec2u(col / K % K, col % K), col < cols());
}

fn load_a(row: u32, s: Step) -> f32 {
  return dy[s.dy + min(row, dims.O - 1) * dims.YH * dims.YW];
}

fn load_b(s: Step, c: Column) -> f32 {
  let i = inside(source(s.origin.x, c.tap.x), dims.XH);
  let j = inside(source(s.origin.y, c.tap.y), dims.XW);
  let ok = c.ok && i >= 0 && j >= 0;
  return select(0.0, x[select(0, s.x + c.plane + u32(i) * dims.XW + u32(j), ok)], ok);
}

fn target_of(p: Place, col: u32) -> Target { return Target(p.part * rows() * cols() + col, col < cols()); }
fn write(to: Target, row: u32, value: f32) {
  if (to.ok) { dw[to.at + row * cols()] = value; }
}
`, true);

/** db[o] = sum over b, p of dy[b, o, p], a share of the pixels for each split; a workgroup per channel and split. */
export const conv2dBackwardBias = reducingKernel(false, wgsl`
struct Dims { B: u32, O: u32, P: u32, SHARE: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> dy: array<f32>;        // [B, O, P]
@group(0) @binding(2) var<storage, read_write> db: array<f32>;  // [SPLITS, O], to be summed
`, wgsl`
  let o = group.x;
  let end = min((group.y + 1) * dims.SHARE, dims.P);
  var total = 0.0;
  for (var b = 0u; b < dims.B; b++) {
    for (var p = group.y * dims.SHARE + lane; p < end; p += WG) { total += dy[(b * dims.O + o) * dims.P + p]; }
  }
  total = workgroup_sum(lane, total);
  if (lane == 0) { db[group.y * dims.O + o] = total; }
`);
