/** A window into planes: crops, slices, flips and paddings are all this one gather. */
import { threadKernel } from './parts/pointwise.js';
import { wgsl } from './parts/wgsl.js';

export interface WindowFlags {
  /** Beyond its edges x is mirrored, else zero. */
  readonly reflect: boolean;
  /** The corner and the flip come from a tensor. */
  readonly moving: boolean;
}

/** y[p, i, j] = x[p, top + i, left + (flip ? OW - 1 - j : j)] */
export const windowForward = ({ reflect, moving }: WindowFlags): string => threadKernel('dims.N', wgsl`
struct Dims { N: u32, H: i32, W: i32, OH: u32, OW: u32, TOP: i32, LEFT: i32, FLIP: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> x: array<f32>;  // [planes, H, W]
#if ${moving}
@group(0) @binding(2) var<storage, read> where_: array<f32, 3>;  // top, left, flip
@group(0) @binding(3) var<storage, read_write> y: array<f32>;    // [planes, OH, OW]
fn corner() -> vec2i { return vec2i(i32(where_[0]), i32(where_[1])); }
fn flipped() -> bool { return where_[2] > 0.5; }
#else
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [planes, OH, OW]
fn corner() -> vec2i { return vec2i(dims.TOP, dims.LEFT); }
fn flipped() -> bool { return dims.FLIP != 0u; }
#endif
#if ${reflect}
fn mirror(i: i32, n: i32) -> i32 { return n - 1 - abs(n - 1 - abs(i)); }
fn load_x(plane: i32, i: i32, j: i32) -> f32 {
  return x[(plane * dims.H + mirror(i, dims.H)) * dims.W + mirror(j, dims.W)];
}
#else
fn load_x(plane: i32, i: i32, j: i32) -> f32 {
  if (i < 0 || i >= dims.H || j < 0 || j >= dims.W) { return 0.0; }
  return x[(plane * dims.H + i) * dims.W + j];
}
#endif
`, wgsl`
  let j = index % dims.OW;
  let i = (index / dims.OW) % dims.OH;
  let plane = index / (dims.OW * dims.OH);
  let column = select(j, dims.OW - 1u - j, flipped());
  y[index] = load_x(i32(plane), corner().x + i32(i), corner().y + i32(column));
`);

/** Gradient of a mirrored padding: dx[p, i, j] = sum of dy over the copies of (i, j), at most three rows and three columns. */
export const windowBackwardReflect = threadKernel('dims.N', wgsl`
struct Dims { N: u32, H: i32, W: i32, OH: i32, OW: i32, TOP: i32, LEFT: i32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> dy: array<f32>;        // [planes, OH, OW]
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;  // [planes, H, W]
/** Positions in dy of element i of an axis of n, and of its mirror images, in a window from \`start\` on; -1 for none. */
fn images(i: i32, n: i32, start: i32) -> vec3i {
  return vec3i(i, select(-i, start - 1, i == 0), select(2 * (n - 1) - i, start - 1, i == n - 1)) - start;
}

fn load_dy(plane: i32, i: i32, j: i32) -> f32 {
  if (i < 0 || i >= dims.OH || j < 0 || j >= dims.OW) { return 0.0; }
  return dy[(plane * dims.OH + i) * dims.OW + j];
}
`, wgsl`
  let at = i32(index);
  let rows = images((at / dims.W) % dims.H, dims.H, dims.TOP);
  let columns = images(at % dims.W, dims.W, dims.LEFT);
  let plane = at / (dims.W * dims.H);
  var sum = 0.0;
  for (var a = 0; a < 3; a++) {
    for (var b = 0; b < 3; b++) { sum += load_dy(plane, rows[a], columns[b]); }
  }
  dx[index] = sum;
`);
