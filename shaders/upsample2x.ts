/**
 * Bilinear enlargement to exactly twice the size, of which a window is kept: the weights are 3/4 and 1/4, and four outputs share
 * their four inputs. The enlarged planes may be some of those of a larger tensor, as in the result of a `concat`.
 */
import { threadKernel } from './parts/pointwise.js';
import { wgsl } from './parts/wgsl.js';

/** The window of the enlarged picture: rows TOP .. TOP + OH - 1, columns LEFT .. LEFT + OW - 1. */
const sizes = wgsl`
// The C planes of a small picture become planes FIRST to FIRST + C - 1 of the PLANES of a large one.
struct Dims { THREADS: u32, H: u32, W: u32, TOP: u32, LEFT: u32, OH: u32, OW: u32, C: u32, FIRST: u32, PLANES: u32, COPIES: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
fn large_plane(plane: u32) -> u32 { return plane / dims.C * dims.PLANES + dims.FIRST + plane % dims.C; }
`;

/**
 * y[2i + a, 2j + b] = 9/16, 3/16, 3/16, 1/16 of the four inputs around it. A thread writes the four outputs between the centres
 * of the inputs (i - 1, j - 1) and (i, j), of which fewer exist at the edges.
 */
export const upsample2xForward = (joins: boolean): string => threadKernel(`dims.THREADS${joins ? ' + dims.COPIES' : ''}`, wgsl`
${sizes}
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [B, C, H, W]
#if ${joins}
@group(0) @binding(2) var<storage, read> side: array<f32>;     // [B, FIRST, OH, OW]
@group(0) @binding(3) var<storage, read_write> y: array<f32>;  // [B, FIRST + C, OH, OW]
#else
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [B, C, OH, OW]
#endif
fn store(plane: u32, row: u32, column: u32, value: f32) {
  // Before the window's first row or column the difference wraps around to a large number.
  let i = row - dims.TOP;
  let j = column - dims.LEFT;
  if (i < dims.OH && j < dims.OW) { y[(plane * dims.OH + i) * dims.OW + j] = value; }
}
`, wgsl`
#if ${joins}
  // The threads after those of the enlargement copy.
  if (index >= dims.THREADS) {
    let at = index - dims.THREADS;
    let count = dims.FIRST * dims.OH * dims.OW;
    y[at / count * dims.PLANES * dims.OH * dims.OW + at % count] = side[at];
    return;
  }
#endif
  let H = dims.H;
  let W = dims.W;
  let j = index % (W + 1u);
  let i = (index / (W + 1u)) % (H + 1u);
  let plane = index / ((W + 1u) * (H + 1u));
  let large = large_plane(plane);

  let above = (plane * H + max(i, 1u) - 1u) * W;
  let below = (plane * H + min(i, H - 1u)) * W;
  let left = max(j, 1u) - 1u;
  let right = min(j, W - 1u);
  let l = vec2f(x[above + left], x[below + left]);
  let r = vec2f(x[above + right], x[below + right]);
  let near_left = 0.75 * l + 0.25 * r;
  let near_right = 0.25 * l + 0.75 * r;

  let row = 2u * i; // of the lower right output
  let column = 2u * j;
  if (i > 0u) {
    if (j > 0u) { store(large, row - 1u, column - 1u, 0.75 * near_left.x + 0.25 * near_left.y); }
    if (j < W) { store(large, row - 1u, column, 0.75 * near_right.x + 0.25 * near_right.y); }
  }
  if (i < H) {
    if (j > 0u) { store(large, row, column - 1u, 0.25 * near_left.x + 0.75 * near_left.y); }
    if (j < W) { store(large, row, column, 0.25 * near_right.x + 0.75 * near_right.y); }
  }
`);

/**
 * dx[i, j] = sum over a, b = -1..2 of v[a] v[b] dy[2i + a, 2j + b] with v = 1/4, 3/4, 3/4, 1/4 and indices clamped to the
 * enlarged picture: at an edge an input also takes the place of its missing neighbour. Outside the window dy is 0. A thread
 * writes 2 x 2 inputs, which read 6 x 6 outputs together.
 */
export const upsample2xBackward = threadKernel('dims.THREADS', wgsl`
${sizes}
@group(0) @binding(1) var<storage, read> dy: array<f32>;        // [B, PLANES, OH, OW]
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;  // [B, C, H, W]
fn load_dy(plane: u32, row: u32, column: u32) -> f32 {
  let i = row - dims.TOP;
  let j = column - dims.LEFT;
  let inside = i < dims.OH && j < dims.OW;
  return select(0.0, dy[select(0u, (plane * dims.OH + i) * dims.OW + j, inside)], inside);
}

/** A row's contribution to columns j and j + 1, before the rows are weighted. */
fn gather_row(plane: u32, row: u32, j: u32) -> vec2f {
  let last = 2u * dims.W - 1u;
  let inner = vec2f(load_dy(plane, row, min(2u * j + 1u, last)), load_dy(plane, row, min(2u * j + 2u, last)));
  let near = vec2f(load_dy(plane, row, 2u * j), load_dy(plane, row, min(2u * j + 3u, last)));
  let far = vec2f(load_dy(plane, row, max(2u * j, 1u) - 1u), load_dy(plane, row, min(2u * j + 4u, last)));
  return 0.75 * (near + inner) + 0.25 * (far + inner.yx);
}
`, wgsl`
  let H = dims.H;
  let W = dims.W;
  let columns = (W + 1u) / 2u;
  let lines = (H + 1u) / 2u;
  let j = 2u * (index % columns);
  let i = 2u * ((index / columns) % lines);
  let plane = index / (columns * lines);

  let top = 2u * i;
  let last = 2u * H - 1u;
  let large = large_plane(plane);
  let r0 = gather_row(large, max(top, 1u) - 1u, j);
  let r1 = gather_row(large, top, j);
  let r2 = gather_row(large, top + 1u, j);
  let r3 = gather_row(large, min(top + 2u, last), j);
  let r4 = gather_row(large, min(top + 3u, last), j);
  let r5 = gather_row(large, min(top + 4u, last), j);
  let upper = 0.75 * (r1 + r2) + 0.25 * (r0 + r3);
  let lower = 0.75 * (r3 + r4) + 0.25 * (r2 + r5);

  let at = (plane * H + i) * W + j;
  dx[at] = upper.x;
  if (j + 1u < W) { dx[at + 1u] = upper.y; }
  if (i + 1u < H) {
    dx[at + W] = lower.x;
    if (j + 1u < W) { dx[at + W + 1u] = lower.y; }
  }
`);
