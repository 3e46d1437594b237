/**
 * Convolution, forward, as two kernels that the gradient by the input shares (see `Gather`): `gatherTiles` for GPUs and
 * `gatherStrips` for a CPU that poses as one.
 */
import { each, each2, GROUP_INDEX, linearIndex, remembered } from './parts/common.js';
import { tileProduct } from './parts/tileProduct.js';
import { wgsl } from './parts/wgsl.js';

/**
 * Sizes that a gathering convolution needs: it writes `y` from windows of `x`. See `Gather`. All but the window are in `dims`, so that one
 * pipeline serves many layers.
 */
const gatherDims = wgsl`
override K: u32;  // window
struct Dims {
  B: u32,
  N: u32,   // channels written
  R: u32,   // channels summed over
  WN: u32,  // step of w from one written channel to the next
  WR: u32,  // step of w from one summed channel to the next
  XH: u32, XW: u32,
  YH: u32, YW: u32,
  LH: u32, LW: u32,  // size of a lattice of written pixels
  STRIPS: u32,       // strips in a row of it
}
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [B, R, XH, XW]
@group(0) @binding(2) var<storage, read> w: array<f32>;        // [O, C, K, K]
`;

/**
 * How a convolution that gathers finds its sources. Written pixels lie on LATTICE x LATTICE interleaved lattices; on each
 * of them the taps that meet a source are the same. WGSL for either axis, `first` being the lattice's first pixel along it:
 *   const LATTICE: u32
 *   fn origin(v: u32, first: u32) -> i32          source of tap 0 of the lattice's pixel v, along one axis
 *   fn source(origin: i32, tap: u32) -> i32       source of another tap
 *   fn inside(at: i32, size: u32) -> i32          a source's place in memory, -1 for none
 *   fn window(tap: u32, first: u32) -> u32        the tap's place in w
 *   fn taps(first: u32) -> u32                    how many there are
 */
export interface Gather {
  readonly geometry: string;
  /** Most taps of a lattice along an axis. */
  readonly taps: number;
  /** Source of pixel q's tap t, relative to the source of pixel 0's tap 0. */
  readonly column: (q: number, t: number) => number;
}

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

/** What a gathering convolution adds to its sums, besides nothing: a value per written channel, or a tensor of y's shape. */
export type Added = 'bias' | 'tensor';

/** `y` and what is added to it; `put(at, n, value)` writes an element of channel n. */
const written = (added: Added | undefined): string => wgsl`
#if ${added === undefined}
@group(0) @binding(3) var<storage, read_write> y: array<f32>;  // [B, N, YH, YW]
fn put(at: u32, n: u32, value: f32) { y[at] = value; }
#else
@group(0) @binding(3) var<storage, read> added: array<f32>;    // [N] or [B, N, YH, YW]
@group(0) @binding(4) var<storage, read_write> y: array<f32>;  // [B, N, YH, YW]
fn put(at: u32, n: u32, value: f32) { y[at] = value + added[${added === 'bias' ? 'n' : 'at'}]; }
#endif
`;

/** The convolution of a `Gather` as a product: rows are written channels, columns pixels, depth channels and taps. */
export const gatherTiles = ({ geometry }: Gather, added?: Added): string => tileProduct(wgsl`
${gatherDims}
${written(added)}
${geometry}
fn rows() -> u32 { return dims.N; }
struct Step { x: u32, w: u32, tap: vec2u }
struct Column { plane: u32, origin: vec2i, ok: bool }
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

fn store(p: Place, row: u32, col: u32, value: f32) {
  let to = pixel(p, col);
  if (!to.ok) { return; }
  put(((to.b * dims.N + row) * dims.YH + to.at.x) * dims.YW + to.at.y, row, value);
}
`, false);

/** Channels that a lane of a strip kernel holds in registers: at most `most`, and about the same number in every workgroup. */
export const evenChannels = (channels: number, most: number): number => Math.ceil(channels / Math.ceil(channels / most));

/** What a lane of `gatherStrips` has: so many channels of so many neighbouring pixels of a row. */
export interface Strip {
  readonly pixels: 4 | 8;
  readonly channels: number;
}

/** Layers with few channels have large pictures: there a strip can be longer, so that what is loaded serves more products. */
export const stripOf = (channels: number): Strip =>
  channels <= 40 ? { pixels: 8, channels: evenChannels(channels, 18) } : { pixels: 4, channels: evenChannels(channels, 32) };

/**
 * The convolution of a `Gather` for a CPU: a lane has a strip of pixels of several channels in registers. It loads the row of sources that the
 * windows of its pixels share once, and its share of the weights, which the lanes tell each other.
 */
export const gatherStrips = remembered(({ geometry, taps, column }: Gather, added: Added | undefined, channels: number, subgroup: number): string => {
  const { pixels, channels: held } = stripOf(channels);
  const quads = pixels / 4;
  const loads = Math.ceil(held / subgroup);
  const places = Array.from({ length: pixels * taps }, (_, i) => column(i % pixels, Math.floor(i / pixels)));
  const low = Math.min(...places);
  const width = Math.max(...places) - low + 1;
  const source = (t: number, quad: number): string => `vec4f(${[0, 1, 2, 3].map((q) => `x${column(4 * quad + q, t) - low}`).join(', ')})`;
  const product = (t: number): string => `
${each(quads, (q) => `      let s${t}_${q} = ${source(t, q)};`)}
${each(loads, (h) => `      let w${t}_${h} = load_w(n0 + ${h * subgroup}u + lane, r, window(tap, first.x), window(${t}u, first.y));`)}
${each(held, (n) => `
      let v${t}_${n} = vec4f(subgroupBroadcast(w${t}_${Math.floor(n / subgroup)}, ${n % subgroup}u));
${each(quads, (q) => `      acc${n}_${q} = fma(v${t}_${n}, s${t}_${q}, acc${n}_${q});`)}`)}`;
  return wgsl`
enable subgroups;
const WG = ${subgroup}u;
${gatherDims}
${written(added)}
${geometry}
${linearIndex}
fn load_w(n: u32, r: u32, i: u32, j: u32) -> f32 {
  return select(0.0, w[min(n, dims.N - 1) * dims.WN + r * dims.WR + i * K + j], j < K);
}

fn store(n: u32, b: u32, i: u32, j: u32, value: vec4f) {
  let at = ((b * dims.N + n) * dims.YH + i) * dims.YW + j;
  for (var q = 0u; q < 4 && j + q * LATTICE < dims.YW; q++) { put(at + q * LATTICE, n, value[q]); }
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let lattice = group.z % (LATTICE * LATTICE);
  let first = vec2u(lattice / LATTICE, lattice % LATTICE);  // as (y, x)
  let n0 = group.z / (LATTICE * LATTICE) * ${held}u;
  let strip = linear_index(group, lane);
  let row = strip / dims.STRIPS;
  let v = row % dims.LH;
  let b = row / dims.LH;
  let u = strip % dims.STRIPS * ${pixels}u;
  let above = origin(v, first.x);
  let left = origin(u, first.y) + ${low};
${each(width, (i) => `  let j${i} = inside(left + ${i}, dims.XW);`)}
${each2(held, quads, (n, q) => `  var acc${n}_${q} = vec4f();`)}
  for (var tap = 0u; tap < taps(first.x); tap++) {
    let i = inside(source(above, tap), dims.XH);
    let here = i >= 0;
${each(width, (c) => `    let ok${c} = here && j${c} >= 0;`)}
    var at = (min(b, dims.B - 1) * dims.R * dims.XH + u32(max(i, 0))) * dims.XW;
    for (var r = 0u; r < dims.R; r++) {
${each(width, (c) => `      let x${c} = select(0.0, x[at + u32(max(j${c}, 0))], ok${c});`)}
${each(taps, product)}
      at += dims.XH * dims.XW;
    }
  }
  let i = v * LATTICE + first.x;
  if (i >= dims.YH || b >= dims.B) { return; }
  var sums = array<vec4f, ${held * quads}>(${Array.from({ length: held * quads }, (_, k) => `acc${Math.floor(k / quads)}_${k % quads}`).join(', ')});
  for (var k = 0u; k < min(${held}u, dims.N - n0) * ${quads}u; k++) { store(n0 + k / ${quads}u, b, i, (u + k % ${quads}u * 4u) * LATTICE + first.y, sums[k]); }
}
`;
});
