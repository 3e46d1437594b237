/** Matrix products for a CPU that pretends to be a GPU: register tiles, no workgroup memory. */
import { each, list } from '../parts/common.js';
import { remembered } from '../parts/remembered.js';
import { productFunctions, productKey, type Product } from '../parts/tile.js';
import { wgsl } from '../parts/wgsl.js';
import { fromLanes } from './lanes.js';

/** The tile of C that a workgroup computes: `lanes` threads of a workgroup with 4 columns each, and `rows` rows. */
export interface RegisterTile {
  readonly lanes: number;
  readonly rows: number;
  /** The workgroup is one subgroup, an even number of lanes and a divisor of `rows`; else every lane loads all it needs. */
  readonly subgroup: boolean;
}

const tiledKey = (product: Product, { lanes, rows, subgroup }: RegisterTile): string =>
  `${productKey(product)} ${lanes} ${rows} ${subgroup}`;

/** `let a_0` ... `let a_${rows - 1}`: two steps along K of each row of the tile. */
const rowsOfA = (transposeA: boolean, tile: RegisterTile): string =>
  (tile.subgroup ? (transposeA ? sharedSteps(tile) : sharedRows(tile)) : ownRows(transposeA, tile.rows));

/** Every lane loads all rows. If A is transposed, a load gives one step of two rows. */
function ownRows(transposeA: boolean, rows: number): string {
  const step = (i: number, s: number): string => `load_a(a_base, k + ${s}u, m + ${i - (i % 2)}u, dims.K, dims.M)[${i % 2}]`;
  return each(rows, (i) => (transposeA
    ? `    let a_${i} = vec2f(${step(i, 0)}, ${step(i, 1)});`
    : `    let a_${i} = load_a(a_base, m + ${i}u, k, dims.M, dims.K);`));
}

/** A lane loads both steps of every `lanes`-th row and broadcasts them. */
const sharedRows = ({ lanes, rows }: RegisterTile): string => `
${each(rows / lanes, (g) => `    let own_${g} = load_a(a_base, m + ${g * lanes}u + lane, k, dims.M, dims.K);`)}
${each(rows, (i) => `    let a_${i} = ${fromLanes('own_', i, lanes)};`)}`;

/** The same if A is transposed: half of the lanes load the first step, two rows each, the others the second step. */
function sharedSteps({ lanes, rows }: RegisterTile): string {
  const half = lanes / 2;
  const step = (i: number, s: number): string => {
    const loader = s * half + Math.floor((i % lanes) / 2);
    return `${fromLanes('own_', i - (i % lanes) + loader, lanes)}[${i % 2}]`;
  };
  return `
${each(rows / lanes, (g) => `
    let own_${g} = load_a(a_base, k + lane / ${half}u, m + ${g * lanes}u + lane % ${half}u * 2u, dims.K, dims.M);`)}
${each(rows, (i) => `    let a_${i} = vec2f(${step(i, 0)}, ${step(i, 1)});`)}`;
}

/** `let b_0` ... `let b_3`: two steps along K of each of a lane's columns of B. */
const columnsOfB = (transposeB: boolean): string => (transposeB
  ? each(4, (j) => `    let b_${j} = load_b(b_base, n + ${j}u, k, dims.N, dims.K);`)
  : `${each(2, (s) => `    let b_step_${s} = load_b(b_base, k + ${s}u, n, dims.K, dims.N);`)}
${each(4, (j) => `    let b_${j} = vec2f(b_step_0[${j}], b_step_1[${j}]);`)}`);

/** Adds to `sums` those of rows m ... and of the lane's columns n ...; a_base and b_base are where the operands begin. */
export const laneSums = ({ transposeA, transposeB }: Pick<Product, 'transposeA' | 'transposeB'>, tile: RegisterTile): string => `
  for (var k = 0u; k < dims.K; k += 2u) {
${columnsOfB(transposeB)}
${rowsOfA(transposeA, tile)}
${each(tile.rows, (i) => `    sums[${i}] += vec4f(${list(4, (j) => `dot(a_${i}, b_${j})`)});`)}
  }`;

/**
 * C = opA(A) opB(B) with nothing but registers. A lane keeps `rows` by 4 sums and takes 2 steps along K at a time. Each float of
 * A is loaded by one lane of the subgroup and handed to the others by `subgroupBroadcast`; each of B is needed by one lane only.
 *
 * Why this form (lavapipe): a load is a scalar load per lane with bounds checks, about ten instructions per float, so the number
 * of floats loaded for each product counts: rows + 4 lanes for every 4 rows of sums. More rows, or more steps at a time, make the
 * loop's instructions outgrow their cache. `dot` touches a sum, which is on the stack, once for all steps. Sums in an array allow
 * a loop that stores them, which compiles faster than a store for each row.
 *
 * Rows and columns beyond C are computed from undefined values and not stored. A step beyond K happens only if K is the last axis
 * of neither operand, and so perhaps not a multiple of 4: only then must loads outside give zeros.
 */
export const matmulLanes = remembered(tiledKey, (product, tile) => wgsl`
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
  var sums = array<vec4f, ${tile.rows}>(${list(tile.rows, () => 'first')});
${laneSums(product, tile)}
  let count = min(${tile.rows}u, dims.M - m);
  for (var i = 0u; i < count; i++) { store(group.z, m + i, n, sums[i]); }
}
`);
