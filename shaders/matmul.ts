/** Matrix products: workgroup tiles for GPUs, register tiles for a CPU that pretends to be one. */
import { each, remembered } from './common.js';
import { productFunctions, type Product } from './tile.js';
import { wgsl } from './wgsl.js';

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
  /** The workgroup is one subgroup, a multiple of 4 lanes and a divisor of `rows`; else every lane loads all it needs. */
  readonly subgroup: boolean;
}

/** Four steps along K of row `i` of A, `a_0` to `a_${rows - 1}`. */
function rowsOfA(transposeA: boolean, { lanes, rows, subgroup }: RegisterTile): string {
  if (!subgroup) {
    const gather = (i: number): string => [0, 1, 2, 3].map((s) => `load_a(a_base, k + ${s}u, m + ${i - (i % 4)}u, dims.K, dims.M)[${i % 4}]`).join();
    return each(rows, (i) => `    let a_${i} = ${transposeA ? `vec4f(${gather(i)})` : `load_a(a_base, m + ${i}u, k, dims.M, dims.K)`};`);
  }
  const share = (i: number, lane: number): string => `subgroupBroadcast(own_${Math.floor(i / lanes)}, ${lane}u)`;
  if (!transposeA) {
    return `${each(rows / lanes, (g) => `    let own_${g} = load_a(a_base, m + ${g * lanes}u + lane, k, dims.M, dims.K);`)}
${each(rows, (i) => `    let a_${i} = ${share(i, i % lanes)};`)}`;
  }
  // Storage has rows side by side: a lane loads four rows of one of four steps.
  const quads = lanes / 4;
  const gather = (i: number): string => [0, 1, 2, 3].map((s) => `${share(i, s * quads + Math.floor((i % lanes) / 4))}[${i % 4}]`).join();
  return `${each(rows / lanes, (g) => `    let own_${g} = load_a(a_base, k + lane / ${quads}u, m + ${g * lanes}u + lane % ${quads}u * 4u, dims.K, dims.M);`)}
${each(rows, (i) => `    let a_${i} = vec4f(${gather(i)});`)}`;
}

/** Four steps along K of a lane's column `j` of B, `b_0` to `b_3`. */
const columnsOfB = (transposeB: boolean): string => (transposeB
  ? each(4, (j) => `    let b_${j} = load_b(b_base, n + ${j}u, k, dims.N, dims.K);`)
  : `${each(4, (s) => `    let b_step_${s} = load_b(b_base, k + ${s}u, n, dims.K, dims.N);`)}
${each(4, (j) => `    let b_${j} = vec4f(${[0, 1, 2, 3].map((s) => `b_step_${s}[${j}]`).join()});`)}`);

/**
 * C = opA(A) opB(B) with nothing but registers. A lane keeps `rows` by 4 sums and takes 4 steps along K at a time. Each float of A is loaded by one lane
 * of the subgroup and handed to the others by `subgroupBroadcast`; each of B is needed by one lane only.
 *
 * Why this form (lavapipe, 8 lanes, 192 x 192 x 192, GFLOP/s with A B^T / A B / A^T B in one run on a busy machine): a load is a scalar load per lane with
 * bounds checks, about a dozen instructions per float, so that the floats loaded per product count, rows + 4 lanes for every 4 rows of sums.
 * 24 rows 9.2 / 13.0 / 9.5, 16 rows 7.5 / 9.1 / 8.3, 32 rows 8.5 / 12.2 / 10.1 but twice the time to compile; 16 rows by 2 columns with a step of K per
 * lane 5.1 / 4.4 / 4.7. A body that takes 8 steps is more code than the cache of instructions holds: half as fast. `dot` touches a sum, which lies on the
 * stack, once in four steps. Sums in an array allow a loop that stores them, which compiles faster than 24 stores.
 *
 * Rows and columns beyond C are computed from anything and not stored. A step beyond K happens only where K is the last axis of neither operand, and so
 * perhaps no multiple of 4: there alone loads outside must give zeros.
 */
export const matmulLanes = remembered((product: Product, tile: RegisterTile): string => wgsl`
#if ${tile.subgroup}
enable subgroups;
#endif
${productFunctions(product, product.transposeA && !product.transposeB)}
@compute @workgroup_size(${tile.lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let a_base = group.z * dims.A_STEP;
  let b_base = group.z * dims.B_STEP;
  let m = group.y * ${tile.rows}u;
  let n = (group.x * ${tile.lanes}u + lane) * 4u;
  let first = start(n);
  var sums = array<vec4f, ${tile.rows}>(${Array.from({ length: tile.rows }, () => 'first').join()});
  for (var k = 0u; k < dims.K; k += 4u) {
${columnsOfB(product.transposeB)}
${rowsOfA(product.transposeA, tile)}
${each(tile.rows, (i) => `    sums[${i}] += vec4f(${[0, 1, 2, 3].map((j) => `dot(a_${i}, b_${j})`).join()});`)}
  }
  let count = min(${tile.rows}u, dims.M - m);
  for (var i = 0u; i < count; i++) { store(group.z, m + i, n, sums[i]); }
}
`);
