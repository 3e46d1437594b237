/**
 * Convolution, forward. Two products that conv2dBackward.ts uses too: `tileProduct` for GPUs (an implicit matrix product on
 * tiles in workgroup memory) and `stripProduct` for a CPU that poses as one (registers and subgroups, no barriers).
 */
import { linearIndex, MAX_GRID } from './common.js';
import { wgsl } from './wgsl.js';

/** Threads of a workgroup of `tileProduct`; each has 4x4 elements of the tile. */
export const TILE_THREADS = 64;

/** Rows, columns and depth of the tile for a product with that many rows. Few rows get more columns; 32 must not be a quarter in vain. */
export function tileSize(rows: number): { readonly TM: number; readonly TN: number; readonly KC: number } {
  const whole = Math.ceil(rows / 32) * 32;
  const TM = rows <= 4 ? 4 : rows <= 8 ? 8 : whole > 1.25 * rows ? 16 : 32;
  return { TM, TN: (TILE_THREADS * 16) / TM, KC: TM === 4 ? 8 : 16 };
}

/**
 * c[row, col] = sum over k in [begin, end) of a[row, k] b[k, col]: the main loop of an implicit matrix product, 4x4 per thread.
 *
 * `operands` declares the bindings and
 *   fn place(group: vec3u) -> Place                         the workgroup's tile, its range of k, and which part of the whole it is
 *   struct Step, fn step(p: Place, k: u32) -> Step          where k lies in both operands
 *   struct Column, fn column(p: Place, col: u32) -> Column  where a column lies
 *   fn load_a(row: u32, s: Step) -> f32, fn load_b(s: Step, c: Column) -> f32   anything beyond the last row and column
 *   ROWS, and COLS if `alongDepth`                          sizes of the product
 *   fn store(p: Place, row: u32, col: u32, value: f32)      ignores what lies beyond the edges
 * `alongDepth`: b's neighbours in memory are neighbours in k, not in col.
 */
export const tileProduct = (operands: string, alongDepth: boolean): string => wgsl`
override TM: u32;
override TN: u32;
override KC: u32;
struct Place { row: u32, col: u32, begin: u32, end: u32, part: u32 }
${operands}
// Columns of four rows (of four columns) side by side: every thread writes whole vectors.
var<workgroup> tile_a: array<vec4f, KC * TM / 4>;  // [KC, TM / 4]
var<workgroup> tile_b: array<vec4f, KC * TN / 4>;  // [KC, TN / 4]

fn quad_a(row: u32, s: Step) -> vec4f {
  return vec4f(load_a(row, s), load_a(row + 1, s), load_a(row + 2, s), load_a(row + 3, s));
}

fn quad_b(s: Step, c: array<Column, 4>) -> vec4f {
  return vec4f(load_b(s, c[0]), load_b(s, c[1]), load_b(s, c[2]), load_b(s, c[3]));
}

fn columns(p: Place, col: u32) -> array<Column, 4> {
  return array<Column, 4>(column(p, col), column(p, col + 1), column(p, col + 2), column(p, col + 3));
}

@compute @workgroup_size(${TILE_THREADS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let p = place(group);
  let ty = lane / (TN / 4);
  let tx = lane % (TN / 4);
#if ${!alongDepth}
  let mine = columns(p, p.col + 4 * tx);
#endif
  var acc0 = vec4f();
  var acc1 = vec4f();
  var acc2 = vec4f();
  var acc3 = vec4f();
  // What lies beyond the product's edges is left as it is in the tiles: it meets only sums that are not stored.
  let quads_a = min(TM, ROWS - p.row + 3) / 4;
  for (var from_k = p.begin; from_k < p.end; from_k += KC) {
    let steps = min(KC, p.end - from_k);
    let deep = lane % KC;
    if (deep < steps) {
      let s = step(p, from_k + deep);
      for (var quad = lane / KC; quad < quads_a; quad += ${TILE_THREADS}u / KC) {
        tile_a[deep * (TM / 4) + quad] = quad_a(p.row + 4 * quad, s);
      }
#if ${alongDepth}
      let quads_b = min(TN, COLS - p.col + 3) / 4;
      for (var quad = lane / KC; quad < quads_b; quad += ${TILE_THREADS}u / KC) {
        tile_b[deep * (TN / 4) + quad] = quad_b(s, columns(p, p.col + 4 * quad));
      }
#endif
    }
#if ${!alongDepth}
    for (var k = ty; k < steps; k += ${TILE_THREADS * 4}u / TN) {
      tile_b[k * (TN / 4) + tx] = quad_b(step(p, from_k + k), mine);
    }
#endif
    workgroupBarrier();
    for (var k = 0u; k < steps; k++) {
      let a = tile_a[k * (TM / 4) + ty];
      let b = tile_b[k * (TN / 4) + tx];
      acc0 = fma(vec4f(a.x), b, acc0);
      acc1 = fma(vec4f(a.y), b, acc1);
      acc2 = fma(vec4f(a.z), b, acc2);
      acc3 = fma(vec4f(a.w), b, acc3);
    }
    workgroupBarrier();
  }
  var acc = array<vec4f, 4>(acc0, acc1, acc2, acc3);
  let row = p.row + 4 * ty;
  let rows = min(4, max(row, ROWS) - row);
  for (var i = 0u; i < rows * 4; i++) { store(p, row + i / 4, p.col + 4 * tx + i % 4, acc[i / 4][i % 4]); }
}
`;

/** Sizes that a gathering convolution needs: it writes `y` from windows of `x`. See `Gather`. */
export const gatherDims = wgsl`
override N: u32;   // channels written
override R: u32;   // channels summed over
override WN: u32;  // step of w from one written channel to the next
override WR: u32;  // step of w from one summed channel to the next
override K: u32;   // window
struct Dims { B: u32, XH: u32, XW: u32, YH: u32, YW: u32, LH: u32, LW: u32, STRIPS: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [B, R, XH, XW]
@group(0) @binding(2) var<storage, read> w: array<f32>;        // [O, C, K, K]
`;

/**
 * How a convolution that gathers finds its sources. Written pixels lie on LATTICE x LATTICE interleaved lattices; on each
 * of them the taps that meet a source are the same. With `first` the offset of the lattice (the same for both axes), WGSL for
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

/** Reads x[O v + k - pad], mirrored at the borders or zero beyond them. */
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

/** The convolution of a `Gather` as a product: rows are written channels, columns pixels, depth channels and taps. */
export const gatherTiles = ({ geometry }: Gather, bias: boolean): string => tileProduct(wgsl`
${gatherDims}
#if ${bias}
@group(0) @binding(3) var<storage, read> bias: array<f32>;     // [N]
@group(0) @binding(4) var<storage, read_write> y: array<f32>;  // [B, N, YH, YW]
#else
@group(0) @binding(3) var<storage, read_write> y: array<f32>;  // [B, N, YH, YW]
#endif
${geometry}
override ROWS = N;
struct Step { x: u32, w: u32, tap: vec2u }
struct Column { plane: u32, origin: vec2i, ok: bool }
struct Pixel { b: u32, at: vec2u, v: vec2u, ok: bool }

// The offset of the part's lattice, as (y, x).
fn offset(part: u32) -> vec2u { return vec2u(part / LATTICE, part % LATTICE); }

fn place(group: vec3u) -> Place {
  let part = group.z % (LATTICE * LATTICE);
  let depth = R * taps(offset(part).x) * taps(offset(part).y);
  return Place(group.z / (LATTICE * LATTICE) * TM, (group.y * ${MAX_GRID}u + group.x) * TN, 0u, depth, part);
}

fn step(p: Place, k: u32) -> Step {
  let first = offset(p.part);
  let across = max(taps(first.y), 1u);
  let area = max(taps(first.x), 1u) * across;
  let r = k / area;
  let tap = vec2u(k % area / across, k % across);
  return Step(r * dims.XH * dims.XW, r * WR + window(tap.x, first.x) * K + window(tap.y, first.y), tap);
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
  return Column(at.b * R * dims.XH * dims.XW, vec2i(origin(at.v.x, first.x), origin(at.v.y, first.y)), at.ok);
}

fn load_a(row: u32, s: Step) -> f32 {
  return w[min(row, N - 1) * WN + s.w];
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
#if ${bias}
  let total = value + bias[row];
#else
  let total = value;
#endif
  y[((to.b * N + row) * dims.YH + to.at.x) * dims.YW + to.at.y] = total;
}
`, false);

/** Lines for i = 0 .. count - 1. */
export const lines = (count: number, line: (i: number) => string): string => Array.from({ length: count }, (_, i) => line(i)).join('\n');

/** Neighbouring pixels of a row that a lane of a strip kernel works on. */
export const STRIP = 4;

/** Channels that a lane of a strip kernel holds in registers: at most 16, and about the same number in every workgroup. */
export const stripChannels = (channels: number): number => Math.ceil(channels / Math.ceil(channels / 16));

/**
 * The convolution of a `Gather` for a CPU: a lane has four neighbouring pixels and up to 16 channels of them in registers. It loads
 * the row of sources that its four windows share once, and its share of the weights, which the lanes tell each other.
 */
export function gatherStrips({ geometry, taps, column }: Gather, bias: boolean, channels: number, subgroup: number): string {
  const held = stripChannels(channels);
  const loads = Math.ceil(held / subgroup);
  const places = Array.from({ length: STRIP * taps }, (_, i) => column(i % STRIP, Math.floor(i / STRIP)));
  const low = Math.min(...places);
  const width = Math.max(...places) - low + 1;
  const source = (t: number): string => `vec4f(${[0, 1, 2, 3].map((q) => `x${column(q, t) - low}`).join(', ')})`;
  const product = (t: number): string => `
      let s${t} = ${source(t)};
${lines(loads, (h) => `      let w${t}_${h} = load_w(n0 + ${h * subgroup}u + lane, r, window(tap, first.x), window(${t}u, first.y));`)}
${lines(held, (n) => `      acc${n} = fma(vec4f(subgroupBroadcast(w${t}_${Math.floor(n / subgroup)}, ${n % subgroup}u)), s${t}, acc${n});`)}`;
  return wgsl`
enable subgroups;
const WG = ${subgroup}u;
${gatherDims}
#if ${bias}
@group(0) @binding(3) var<storage, read> bias: array<f32>;     // [N]
@group(0) @binding(4) var<storage, read_write> y: array<f32>;  // [B, N, YH, YW]
#else
@group(0) @binding(3) var<storage, read_write> y: array<f32>;  // [B, N, YH, YW]
#endif
${geometry}
${linearIndex}
fn load_w(n: u32, r: u32, i: u32, j: u32) -> f32 {
  return select(0.0, w[min(n, N - 1) * WN + r * WR + i * K + j], j < K);
}

fn store(n: u32, b: u32, i: u32, j: u32, value: vec4f) {
#if ${bias}
  let total = value + bias[n];
#else
  let total = value;
#endif
  let at = ((b * N + n) * dims.YH + i) * dims.YW + j;
  for (var q = 0u; q < ${STRIP} && j + q * LATTICE < dims.YW; q++) { y[at + q * LATTICE] = total[q]; }
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
  let u = strip % dims.STRIPS * ${STRIP}u;
  let above = origin(v, first.x);
  let left = origin(u, first.y) + ${low};
${lines(width, (i) => `  let j${i} = inside(left + ${i}, dims.XW);`)}
${lines(held, (n) => `  var acc${n} = vec4f();`)}
  for (var tap = 0u; tap < taps(first.x); tap++) {
    let i = inside(source(above, tap), dims.XH);
    let here = i >= 0;
${lines(width, (c) => `    let ok${c} = here && j${c} >= 0;`)}
    var at = (min(b, dims.B - 1) * R * dims.XH + u32(max(i, 0))) * dims.XW;
    for (var r = 0u; r < R; r++) {
${lines(width, (c) => `      let x${c} = select(0.0, x[at + u32(max(j${c}, 0))], ok${c});`)}
${Array.from({ length: taps }, (_, t) => product(t)).join('\n')}
      at += dims.XH * dims.XW;
    }
  }
  let i = v * LATTICE + first.x;
  if (i >= dims.YH || b >= dims.B) { return; }
  var sums = array<vec4f, ${held}>(${Array.from({ length: held }, (_, n) => `acc${n}`).join(', ')});
  for (var n = n0; n < min(n0 + ${held}u, N); n++) { store(n, b, i, u * LATTICE + first.y, sums[n - n0]); }
}
`;
}
