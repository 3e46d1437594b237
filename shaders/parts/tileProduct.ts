/** The main loop of implicit matrix products on GPUs: operands are looked up by the element, and kept in tiles. */
import { each } from './common.js';
import { wgsl } from './wgsl.js';

/** Threads of a workgroup of `tileProduct`; each has 4x4 elements of the tile. */
export const TILE_THREADS = 64;

/**
 * Rows, columns and depth of the tile for a product with `rows` rows. Fewer rows get more columns; so do those that tiles of 32
 * rows would exceed by more than a quarter. `wanted` rows, if that is given.
 */
export function tileSize(rows: number, wanted?: 16 | 32): { readonly TM: number; readonly TN: number; readonly KC: number } {
  const whole = Math.ceil(rows / 32) * 32;
  const TM = wanted ?? (rows <= 4 ? 4 : rows <= 8 ? 8 : whole > 1.25 * rows ? 16 : 32);
  return { TM, TN: (TILE_THREADS * 16) / TM, KC: TM === 4 ? 8 : 16 };
}

/** Four rows and four columns of the operands at once. */
const QUADS = wgsl`
fn quad_a(row: u32, s: Step) -> vec4f {
  return vec4f(load_a(row, s), load_a(row + 1, s), load_a(row + 2, s), load_a(row + 3, s));
}

fn quad_b(s: Step, c: array<Column, 4>) -> vec4f {
  return vec4f(load_b(s, c[0]), load_b(s, c[1]), load_b(s, c[2]), load_b(s, c[3]));
}

fn columns(p: Place, quad: u32) -> array<Column, 4> {
  let col = p.col + BLOCK * quad;
  return array<Column, 4>(column(p, col), column(p, col + APART), column(p, col + 2 * APART), column(p, col + 3 * APART));
}

// A vector that is indexed in a loop may end up in memory.
fn element(v: vec4f, i: u32) -> f32 {
  return select(select(v.x, v.y, i == 1), select(v.z, v.w, i == 3), i > 1);
}
`;

/** What a thread does at the end: it writes its four rows and columns. */
const WRITE = wgsl`  let row = p.row + 4 * ty;
  let inside = min(4, max(row, rows()) - row);
  // No compiler knows the number of turns: unrolled, the columns' places would stay in registers during the main loop.
  let first = p.col + BLOCK * tx;
  let end = min(first + 4 * APART, cols());
  for (var col = first; col < end; col += APART) {
    let c = (col - first) / APART;
    let to = target_of(p, col);
${each(4, (i) => `    if (inside > ${i}) { write(to, row + ${i}, element(acc${i}, c)); }`)}
  }`;

/**
 * c[row, col] = sum over k in [begin, end) of a[row, k] b[k, col]: the main loop of an implicit matrix product, 4x4 per thread.
 *
 * `operands` declares the bindings and
 *   fn place(group: vec3u) -> Place                         the workgroup's tile, range of k, and part of the whole
 *   struct Step, fn step(p: Place, k: u32) -> Step          position of k in both operands
 *   struct Column, fn column(p: Place, col: u32) -> Column  position of a column
 *   fn load_a(row: u32, s: Step) -> f32, fn load_b(s: Step, c: Column) -> f32   undefined beyond the last row and column
 *   fn rows() -> u32, fn cols() -> u32                      sizes of the product
 *   struct Target, fn target_of(p: Place, col: u32) -> Target  place of a column in the result
 *   fn write(to: Target, row: u32, value: f32)              only for rows of the product
 * `alongDepth`: b's neighbours in memory are neighbours in k, not in col. `padded`: no stores to
 * the tiles meet on a bank.
 */
export const tileProduct = (padded = false) => (operands: string, alongDepth: boolean): string => wgsl`
override TM: u32;
override TN: u32;
override KC: u32;
// Vectors from one step of a tile to the next: threads that store neighbouring steps do not meet on a bank if they are odd.
override STEP_A: u32 = (TM / 4)${padded ? ' | 1' : ''};
override STEP_B: u32 = (TN / 4)${padded && alongDepth ? ' | 1' : ''};
// Columns from one thread to the next, and between those of a thread: the threads of a row read and write neighbours in memory.
const BLOCK = ${alongDepth ? 4 : 1}u;
override APART: u32 = ${alongDepth ? '1' : 'TN / 4'};
struct Place { row: u32, col: u32, begin: u32, end: u32, part: u32 }
${operands}
// Elements of four rows (of four columns) side by side: every thread writes whole vectors.
var<workgroup> tile_a: array<vec4f, KC * STEP_A>;  // [KC, TM / 4] and padding
var<workgroup> tile_b: array<vec4f, KC * STEP_B>;  // [KC, TN / 4] and padding

${QUADS}
@compute @workgroup_size(${TILE_THREADS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let p = place(group);
  let ty = lane / (TN / 4);
  let tx = lane % (TN / 4);
#if ${!alongDepth}
  let mine = columns(p, tx);
#endif
  var acc0 = vec4f();
  var acc1 = vec4f();
  var acc2 = vec4f();
  var acc3 = vec4f();
  // Tiles keep old values beyond the product's edges: they meet only sums that are not stored.
  let quads_a = min(TM, rows() - p.row + 3) / 4;
  for (var from_k = p.begin; from_k < p.end; from_k += KC) {
    let steps = min(KC, p.end - from_k);
    let deep = lane % KC;
    if (deep < steps) {
      let s = step(p, from_k + deep);
      for (var quad = lane / KC; quad < quads_a; quad += ${TILE_THREADS}u / KC) {
        tile_a[deep * STEP_A + quad] = quad_a(p.row + 4 * quad, s);
      }
#if ${alongDepth}
      let quads_b = min(TN, cols() - p.col + 3) / 4;
      for (var quad = lane / KC; quad < quads_b; quad += ${TILE_THREADS}u / KC) {
        tile_b[deep * STEP_B + quad] = quad_b(s, columns(p, quad));
      }
#endif
    }
#if ${!alongDepth}
    for (var k = ty; k < steps; k += ${TILE_THREADS * 4}u / TN) {
      tile_b[k * STEP_B + tx] = quad_b(step(p, from_k + k), mine);
    }
#endif
    workgroupBarrier();
    for (var k = 0u; k < steps; k++) {
      let a = tile_a[k * STEP_A + ty];
      let b = tile_b[k * STEP_B + tx];
      acc0 = fma(vec4f(a.x), b, acc0);
      acc1 = fma(vec4f(a.y), b, acc1);
      acc2 = fma(vec4f(a.z), b, acc2);
      acc3 = fma(vec4f(a.w), b, acc3);
    }
    workgroupBarrier();
  }
${WRITE}
}
`;
