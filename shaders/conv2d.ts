/** Convolution, forward, as a kernel that the gradient by the input shares. */
import { GROUP_INDEX } from './parts/common.js';
import { gatherDims, gatherOutput, type Added, type Gather } from './parts/gather.js';
import { tileProduct } from './parts/tileProduct.js';
import { wgsl } from './parts/wgsl.js';

/** Reads x[stride v + k - pad], mirrored at the borders or zero beyond them. */
export function forwardGather(K: number, stride: number, reflect: boolean): Gather {
  const geometry = wgsl`
const LATTICE = 1u;
fn origin(v: u32, first: u32) -> i32 { return i32(v * ${stride}u) - ${(K - 1) / 2}; }
fn source(origin: i32, tap: u32) -> i32 { return origin + i32(tap); }
fn window(tap: u32, first: u32) -> u32 { return tap; }
fn taps(first: u32) -> u32 { return ${K}u; }
fn inside(at: i32, size: u32) -> i32 {
#if ${reflect}
  let last = i32(size) - 1;
  return clamp(last - abs(last - abs(at)), 0, last);
#else
  return select(-1, at, at >= 0 && at < i32(size));
#endif
}
`;
  return { geometry, taps: K, column: (q, t) => q * stride + t };
}

/**
 * The convolution of a `Gather` as a product: rows are written channels, columns pixels, depth channels and taps. `product`
 * makes the kernel of these operands.
 */
export const gatherTiles = ({ geometry }: Gather, added?: Added, product = tileProduct()): string => product(wgsl`
${gatherDims}
${gatherOutput(added)}
${geometry}
fn rows() -> u32 { return dims.N; }
fn cols() -> u32 { return dims.B * dims.LH * dims.LW; }
struct Step { x: u32, w: u32, tap: vec2u }
struct Column { plane: u32, origin: vec2i, ok: bool }
struct Target { at: u32, ok: bool }
struct Pixel { b: u32, at: vec2u, v: vec2u, ok: bool }

// The offset of the part's lattice, as (y, x).
fn offset(part: u32) -> vec2u { return vec2u(part / LATTICE, part % LATTICE); }

fn place(group: vec3u) -> Place {
  let part = group.z % (LATTICE * LATTICE);
  let depth = dims.R * taps(offset(part).x) * taps(offset(part).y);
  return Place(group.z / (LATTICE * LATTICE) * TM, (${GROUP_INDEX}) * TN, 0u, depth, part);
}

fn step(p: Place, k: u32) -> Step {
  let first = offset(p.part);
  let across = max(taps(first.y), 1u);
  let area = max(taps(first.x), 1u) * across;
  let r = k / area;
  let tap = vec2u(k % area / across, k % across);
  return Step(r * dims.XH * dims.XW, r * dims.WR + window(tap.x, first.x) * K + window(tap.y, first.y), tap);
}

fn pixel(p: Place, col: u32) -> Pixel {
  let row = col / dims.LW;
  let v = vec2u(row % dims.LH, col % dims.LW);
  let at = v * LATTICE + offset(p.part);
  return Pixel(row / dims.LH, at, v, row / dims.LH < dims.B && all(at < vec2u(dims.YH, dims.YW)));
}

fn column(p: Place, col: u32) -> Column {
  let first = offset(p.part);
  let at = pixel(p, col);
  return Column(at.b * dims.R * dims.XH * dims.XW, vec2i(origin(at.v.x, first.x), origin(at.v.y, first.y)), at.ok);
}

fn load_a(row: u32, s: Step) -> f32 {
  return w[min(row, dims.N - 1) * dims.WN + s.w];
}

fn load_b(s: Step, c: Column) -> f32 {
  let i = inside(source(c.origin.x, s.tap.x), dims.XH);
  let j = inside(source(c.origin.y, s.tap.y), dims.XW);
  let ok = c.ok && i >= 0 && j >= 0;
  return select(0.0, x[select(0, c.plane + s.x + u32(i) * dims.XW + u32(j), ok)], ok);
}

fn target_of(p: Place, col: u32) -> Target {
  let to = pixel(p, col);
  return Target((to.b * dims.N * dims.YH + to.at.x) * dims.YW + to.at.y, to.ok);
}

fn write(to: Target, row: u32, value: f32) {
  if (to.ok) { put(to.at + row * dims.YH * dims.YW, row, value); }
}
`, false);
