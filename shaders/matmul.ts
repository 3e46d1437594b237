/** Matrix products: workgroup tiles for GPUs, register tiles for a CPU that pretends to be one. */
import { each, remembered } from './parts/common.js';
import { productFunctions, type Product } from './parts/tile.js';
import { wgsl } from './parts/wgsl.js';

/** Rows and columns of C that a workgroup of the GPU kernel computes; 256 threads with 4 by 4 each. */
export const GPU_TILE = 64;

/**
 * One operand's part of the tile, 16 steps along K by 64 lines (rows of A or columns of B), goes to workgroup memory K-major: each of 256 threads
 * moves four floats that are neighbours in storage.
 */
const fetch = (name: string, lineMajor: boolean, lines: string): string => wgsl`
#if ${lineMajor}
    let ${name}_line = lane / 4u;
    let ${name}_k = lane % 4u * 4u;
    let ${name}_four = load_${name}(${name}_base, ${name}_first + ${name}_line, k + ${name}_k, ${lines}, dims.K);
    for (var i = 0u; i < 4u; i++) { tile_${name}[(${name}_k + i) * STRIDE + ${name}_line] = ${name}_four[i]; }
#else
    let ${name}_line = lane % 16u * 4u;
    let ${name}_k = lane / 16u;
    let ${name}_four = load_${name}(${name}_base, k + ${name}_k, ${name}_first + ${name}_line, dims.K, ${lines});
    for (var i = 0u; i < 4u; i++) { tile_${name}[${name}_k * STRIDE + ${name}_line + i] = ${name}_four[i]; }
#endif
`;

/** C = opA(A) opB(B): a workgroup shares tiles of both operands, a thread keeps 4 by 4 sums. */
export const matmulTiled = remembered((product: Product): string => wgsl`
${productFunctions(product)}
const STRIDE = ${GPU_TILE + 4}u;  // padded: threads that store down a column hit different banks
var<workgroup> tile_a: array<f32, 16u * STRIDE>;  // [K, M]
var<workgroup> tile_b: array<f32, 16u * STRIDE>;  // [K, N]
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let a_base = group.z * dims.A_STEP;
  let b_base = group.z * dims.B_STEP;
  let a_first = group.y * ${GPU_TILE}u;
  let b_first = group.x * ${GPU_TILE}u;
  let row = lane / 16u * 4u;
  let column = lane % 16u * 4u;
  let first = start(b_first + column);
  var sums = array<vec4f, 4>(first, first, first, first);
  for (var k = 0u; k < dims.K; k += 16u) {
${fetch('a', !product.transposeA, 'dims.M')}
${fetch('b', product.transposeB, 'dims.N')}
    workgroupBarrier();
    for (var step = 0u; step < 16u; step++) {
      let at_b = step * STRIDE + column;
      let b_step = vec4f(tile_b[at_b], tile_b[at_b + 1u], tile_b[at_b + 2u], tile_b[at_b + 3u]);
      for (var i = 0u; i < 4u; i++) { sums[i] += tile_a[step * STRIDE + row + i] * b_step; }
    }
    workgroupBarrier();
  }
  for (var i = 0u; i < 4u; i++) { store(group.z, a_first + row + i, b_first + column, sums[i]); }
}
`);

/** How the CPU kernel cuts C: `lanes` threads of a workgroup with 4 columns each, and `rows` rows. */
export interface RegisterTile {
  readonly lanes: number;
  readonly rows: number;
  /** The workgroup is one subgroup, an even number of lanes and a divisor of `rows`; else every lane loads all it needs. */
  readonly subgroup: boolean;
}

/** Two steps along K of row `i` of A, `a_0` to `a_${rows - 1}`. */
function rowsOfA(transposeA: boolean, { lanes, rows, subgroup }: RegisterTile): string {
  if (!subgroup) {
    const gather = (i: number): string => [0, 1].map((s) => `load_a(a_base, k + ${s}u, m + ${i - (i % 2)}u, dims.K, dims.M)[${i % 2}]`).join();
    return each(rows, (i) => `    let a_${i} = ${transposeA ? `vec2f(${gather(i)})` : `load_a(a_base, m + ${i}u, k, dims.M, dims.K)`};`);
  }
  const share = (i: number, lane: number): string => `subgroupBroadcast(own_${Math.floor(i / lanes)}, ${lane}u)`;
  if (!transposeA) {
    return `${each(rows / lanes, (g) => `    let own_${g} = load_a(a_base, m + ${g * lanes}u + lane, k, dims.M, dims.K);`)}
${each(rows, (i) => `    let a_${i} = ${share(i, i % lanes)};`)}`;
  }
  // Storage has rows side by side: a lane loads two rows of one of two steps.
  const pairs = lanes / 2;
  const gather = (i: number): string => [0, 1].map((s) => `${share(i, s * pairs + Math.floor((i % lanes) / 2))}[${i % 2}]`).join();
  return `${each(rows / lanes, (g) => `    let own_${g} = load_a(a_base, k + lane / ${pairs}u, m + ${g * lanes}u + lane % ${pairs}u * 2u, dims.K, dims.M);`)}
${each(rows, (i) => `    let a_${i} = vec2f(${gather(i)});`)}`;
}

/** Two steps along K of a lane's column `j` of B, `b_0` to `b_3`. */
const columnsOfB = (transposeB: boolean): string => (transposeB
  ? each(4, (j) => `    let b_${j} = load_b(b_base, n + ${j}u, k, dims.N, dims.K);`)
  : `${each(2, (s) => `    let b_step_${s} = load_b(b_base, k + ${s}u, n, dims.K, dims.N);`)}
${each(4, (j) => `    let b_${j} = vec2f(b_step_0[${j}], b_step_1[${j}]);`)}`);

/**
 * C = opA(A) opB(B) with nothing but registers. A lane keeps `rows` by 4 sums and takes 2 steps along K at a time. Each float of A is loaded by one lane
 * of the subgroup and handed to the others by `subgroupBroadcast`; each of B is needed by one lane only.
 *
 * Why this form (lavapipe): a load is a scalar load per lane with bounds checks, about ten instructions per float, so that the floats loaded per
 * product count, rows + 4 lanes for every 4 rows of sums. On the other side a body of more than 32 KB of instructions runs at half the speed.
 * GFLOP/s of A B^T with 788 rows, 768 columns and K = 192, of each number of lanes in one run:
 * 16 lanes: 48 rows by 2 steps 37 to 45, 32 by 2 32, 64 by 2 30, 48 by 1 32, 48 by 4 29 (K = 768), 32 by 4 22, 16 by 4 23;
 * 8 lanes: 48 by 2 27, 24 by 4 27 and twice the time to compile, 24 by 2 26, 32 by 2 25.
 * `dot` touches a sum, which lies on the stack, once for all steps. Sums in an array allow a loop that stores them, which compiles faster than 48 stores.
 *
 * Rows and columns beyond C are computed from anything and not stored. A step beyond K happens only where K is the last axis of neither operand, and so
 * perhaps no multiple of 4: there alone loads outside must give zeros.
 */
export const matmulLanes = remembered((product: Product, tile: RegisterTile): string => wgsl`
#if ${tile.subgroup}
enable subgroups;
#endif
${productFunctions(product, { a: 2, b: product.transposeB ? 2 : 4 }, product.transposeA && !product.transposeB)}
@compute @workgroup_size(${tile.lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let a_base = group.z * dims.A_STEP;
  let b_base = group.z * dims.B_STEP;
  let m = group.y * ${tile.rows}u;
  let n = (group.x * ${tile.lanes}u + lane) * 4u;
  let first = start(n);
  var sums = array<vec4f, ${tile.rows}>(${Array.from({ length: tile.rows }, () => 'first').join()});
  for (var k = 0u; k < dims.K; k += 2u) {
${columnsOfB(product.transposeB)}
${rowsOfA(product.transposeA, tile)}
${each(tile.rows, (i) => `    sums[${i}] += vec4f(${[0, 1, 2, 3].map((j) => `dot(a_${i}, b_${j})`).join()});`)}
  }
  let count = min(${tile.rows}u, dims.M - m);
  for (var i = 0u; i < count; i++) { store(group.z, m + i, n, sums[i]); }
}
`);
