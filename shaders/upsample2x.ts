/** Bilinear enlargement to exactly twice the size: the weights are 3/4 and 1/4, and four outputs share their four inputs. */
import { linearIndex } from './common.js';
import { wgsl } from './wgsl.js';

/**
 * y[2i + a, 2j + b] = 9/16, 3/16, 3/16, 1/16 of the four inputs around it. A thread writes the four outputs between the centres of the
 * inputs (i - 1, j - 1) and (i, j), of which fewer exist at the edges.
 */
export const upsample2xForward = wgsl`
override WG: u32;
struct Dims { THREADS: u32, H: u32, W: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [B C, H, W]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [B C, 2H, 2W]
${linearIndex}
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = linear_index(group, lane);
  if (index >= dims.THREADS) { return; }
  let H = dims.H;
  let W = dims.W;
  let j = index % (W + 1u);
  let i = (index / (W + 1u)) % (H + 1u);
  let plane = index / ((W + 1u) * (H + 1u));

  let above = (plane * H + max(i, 1u) - 1u) * W;
  let below = (plane * H + min(i, H - 1u)) * W;
  let left = max(j, 1u) - 1u;
  let right = min(j, W - 1u);
  let l = vec2f(x[above + left], x[below + left]);
  let r = vec2f(x[above + right], x[below + right]);
  let near_left = 0.75 * l + 0.25 * r;
  let near_right = 0.25 * l + 0.75 * r;

  let at = (plane * 2u * H + 2u * i) * 2u * W + 2u * j; // of the lower right output
  if (i > 0u) {
    if (j > 0u) { y[at - 2u * W - 1u] = 0.75 * near_left.x + 0.25 * near_left.y; }
    if (j < W) { y[at - 2u * W] = 0.75 * near_right.x + 0.25 * near_right.y; }
  }
  if (i < H) {
    if (j > 0u) { y[at - 1u] = 0.25 * near_left.x + 0.75 * near_left.y; }
    if (j < W) { y[at] = 0.25 * near_right.x + 0.75 * near_right.y; }
  }
}
`;

/**
 * dx[i, j] = sum over a, b = -1..2 of v[a] v[b] dy[2i + a, 2j + b] with v = 1/4, 3/4, 3/4, 1/4 and indices clamped to dy: at an edge an
 * input also stands for its neighbour that is missing.
 */
export const upsample2xBackward = wgsl`
override WG: u32;
struct Dims { THREADS: u32, H: u32, W: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> dy: array<f32>;        // [B C, 2H, 2W]
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;  // [B C, H, W]
${linearIndex}
fn gather_row(row: u32, far_left: u32, left: u32, far_right: u32) -> f32 {
  return 0.75 * (dy[row + left] + dy[row + left + 1u]) + 0.25 * (dy[row + far_left] + dy[row + far_right]);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = linear_index(group, lane);
  if (index >= dims.THREADS) { return; }
  let left = 2u * (index % dims.W);
  let top = 2u * ((index / dims.W) % dims.H);
  let OH = 2u * dims.H;
  let OW = 2u * dims.W;
  let far_left = max(left, 1u) - 1u;
  let far_right = min(left + 2u, OW - 1u);
  let plane = index / (dims.W * dims.H) * OH;

  let far_above = gather_row((plane + max(top, 1u) - 1u) * OW, far_left, left, far_right);
  let above = gather_row((plane + top) * OW, far_left, left, far_right);
  let below = gather_row((plane + top + 1u) * OW, far_left, left, far_right);
  let far_below = gather_row((plane + min(top + 2u, OH - 1u)) * OW, far_left, left, far_right);
  dx[index] = 0.75 * (above + below) + 0.25 * (far_above + far_below);
}
`;
