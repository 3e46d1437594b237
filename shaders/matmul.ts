/** Matrix products. */
import { each, each2, list } from './parts/common.js';
import { remembered } from './parts/remembered.js';
import { productFunctions, productKey, type Product } from './parts/tile.js';
import { wgsl } from './parts/wgsl.js';

/**
 * The tile of C that a workgroup computes: TX by TY threads, each with R quads of rows by S quads of columns. For each step along
 * K a thread reads R + S vectors from workgroup memory and makes 16 R S sums with them.
 */
export interface Tile {
  readonly R: number;
  readonly S: number;
  readonly TX: number;
  readonly TY: number;
}

/** At most 128 threads, which every device allows, and 16 KiB of workgroup memory. More quads load less for each sum. */
export const tiles = {
  narrow: { R: 2, S: 1, TX: 8, TY: 8 },
  square: { R: 2, S: 1, TX: 16, TY: 8 },
  compact: { R: 2, S: 2, TX: 8, TY: 8 },
  wide: { R: 2, S: 2, TX: 8, TY: 16 },
  large: { R: 4, S: 2, TX: 8, TY: 8 },
} as const satisfies Record<string, Tile>;

export const tileThreads = ({ TX, TY }: Tile): number => TX * TY;
export const tileRows = ({ R, TY }: Tile): number => 4 * R * TY;
export const tileColumns = ({ S, TX }: Tile): number => 4 * S * TX;

/** Steps along K of a tile in memory. */
const DEPTH = 16;

/**
 * Vectors between four steps and the next: two more than the steps need, so that the threads that store different fours of one
 * line hit different banks.
 */
const strideOf = (lines: number): number => lines + 2;

/** One operand's part of the tile, of `lines` lines: rows of A or columns of B. */
interface Part {
  readonly name: 'a' | 'b';
  /** Stored [lines, K]; else [K, lines]. */
  readonly lineMajor: boolean;
  readonly lines: number;
}

/** Blocks of a part, of which there are `lines`: `count` from `from` on, for the threads from `first` on. */
interface Share extends Part {
  readonly from: number;
  readonly count: number;
  readonly first: number;
  /** The registers that have them on their way. */
  readonly next: string;
}

/** The parts of A and B, as turns of all threads. What is left of both is one turn, with the same registers, if it fits. */
function sharesOf({ transposeA, transposeB }: Pick<Product, 'transposeA' | 'transposeB'>, tile: Tile): readonly Share[] {
  const threads = tileThreads(tile);
  const split = (part: Part) => Array.from({ length: Math.ceil(part.lines / threads) }, (_, i) =>
    ({ ...part, from: i * threads, count: Math.min(threads, part.lines - i * threads) }));
  const ofA = split({ name: 'a', lineMajor: !transposeA, lines: tileRows(tile) });
  const ofB = split({ name: 'b', lineMajor: transposeB, lines: tileColumns(tile) });
  const fits = ofA.at(-1)!.count + ofB.at(-1)!.count <= threads;
  const turns = ofA.length + ofB.length - Number(fits);
  const next = (turn: number): string => (turns === 1 ? 'next' : `next_${'abcdef'[turn]}`);
  return [
    ...ofA.map((share, i) => ({ ...share, first: 0, next: next(i) })),
    ...ofB.map((share, i) => ({
      ...share, first: threads - share.count, next: next(i === ofB.length - 1 ? turns - 1 : ofA.length + i),
    })),
  ];
}

/** `body` for the threads of a share, whose block is `part`. */
const threadsOf = ({ from, first, count }: Share, threads: number, body: string): string => wgsl`
#if ${count === threads}
    {
#elif ${first === 0}
    if (lane < ${count}u) {
#else
    if (lane >= ${first}u) {
#endif
#if ${from > first}
      let part = lane + ${from - first}u;
#else
      let part = lane - ${first - from}u;
#endif
${body}
    }
`;

/**
 * Loads four vectors of the tile at k: four steps of four lines, or four lines at every fourth step. Beyond K they are zero: in
 * unaligned products all loads see to that, in aligned ones these do for A alone.
 */
function load({ name, lineMajor, lines, next }: Share, aligned: boolean): string {
  const size = `dims.${name === 'a' ? 'M' : 'N'}`;
  const line = (j: number): string => `${name}_first + part / 4u * 4u + ${j}u`;
  const step = (j: number): string => (lineMajor ? 'k + part % 4u * 4u' : `k + ${4 * j}u + part / ${lines / 4}u`);
  return wgsl`
#if ${lineMajor}
${each(4, (j) => `      ${next}${j} = load_${name}(${name}_base, ${line(j)}, ${step(j)}, ${size}, dims.K);`)}
#else
      let line = ${name}_first + part % ${lines / 4}u * 4u;
${each(4, (j) => `      ${next}${j} = load_${name}(${name}_base, ${step(j)}, line, dims.K, ${size});`)}
#endif
#if ${aligned && name === 'a'}
      if (k + ${DEPTH}u > dims.K) {
${each(4, (j) => `        ${next}${j} = select(vec4f(), ${next}${j}, ${step(j)} < dims.K);`)}
      }
#endif
`;
}

/** Stores them, four lines of one step in a vector. */
const store = ({ name, lineMajor, lines, next }: Share): string => wgsl`
#if ${lineMajor}
      let at = part % 4u * ${strideOf(lines)}u + part / 4u;
${each(4, (j) => `      tile_${name}[at + ${(j * lines) / 4}u] = vec4f(${list(4, (i) => `${next}${i}[${j}]`)});`)}
#else
${each(4, (j) => `      tile_${name}[part + ${j * strideOf(lines)}u] = ${next}${j};`)}
#endif
`;

/** Workgroup memory of `tiledSums`. */
export const tileMemory = (tile: Tile): string => wgsl`
var<workgroup> tile_a: array<vec4f, ${strideOf(tileRows(tile)) * (DEPTH / 4)}>;     // [DEPTH / 4, 4, M / 4] and padding
var<workgroup> tile_b: array<vec4f, ${strideOf(tileColumns(tile)) * (DEPTH / 4)}>;  // [DEPTH / 4, 4, N / 4] and padding
`;

/**
 * Adds to `sum_I_S` the products of quad S of columns with row I of the thread, see `tileRow`. The next
 * tile is on its way to registers while this one is used. From the kernel: `lane`, the thread's place (tx, ty), the tile's corner
 * (a_first, b_first), and a_base and b_base, where the operands begin.
 */
export function tiledSums(product: Pick<Product, 'transposeA' | 'transposeB' | 'aligned'>, tile: Tile): string {
  const { R, S, TX, TY } = tile;
  const [rows, columns] = [tileRows(tile), tileColumns(tile)];
  const shares = sharesOf(product, tile);
  const all = (text: (share: Share) => string): string =>
    shares.map((share) => threadsOf(share, tileThreads(tile), text(share))).join('');
  const loads = all((share) => load(share, product.aligned));
  const names = [...new Set(shares.map(({ next }) => next))];
  return wgsl`
${names.map((name) => each(4, (j) => `  var ${name}${j} = vec4f();`)).join('\n')}
  {
    let k = 0u;
${loads}
  }
  for (var k = ${DEPTH}u; k < dims.K + ${DEPTH}u; k += ${DEPTH}u) {
    workgroupBarrier();
${all(store)}
    workgroupBarrier();
    if (k < dims.K) {
${loads}
    }
    for (var four = 0u; four < ${DEPTH / 4}u; four++) {
      let at_a = four * ${strideOf(rows)}u + ty;
      let at_b = four * ${strideOf(columns)}u + tx;
${each(4, (step) => `
${each(R, (r) => `      let a${step}_${r} = tile_a[at_a + ${(step * rows) / 4 + r * TY}u];`)}
${each(S, (s) => `      let b${step}_${s} = tile_b[at_b + ${(step * columns) / 4 + s * TX}u];`)}
${each2(4 * R, S, (i, s) => `      sum_${i}_${s} = fma(vec4f(a${step}_${i >> 2}[${i % 4}]), b${step}_${s}, sum_${i}_${s});`)}`)}
    }
  }
`;
}

/** The row of the tile that is row `i` of a thread. */
export const tileRow = ({ TY }: Tile, i: number): string => `${(i >> 2) * 4 * TY + (i % 4)}u + 4u * ty`;

const tileKey = (product: Product, tile: Tile): string => `${productKey(product)} ${Object.values(tile).join()}`;

/** C = opA(A) opB(B): a workgroup shares tiles of both operands, a thread keeps its sums in registers. */
export const matmulTiled = remembered(tileKey, (product, tile) => {
  const { R, S, TX } = tile;
  return wgsl`
${productFunctions(product, { a: 4, b: 4 }, false)}
${tileMemory(tile)}
@compute @workgroup_size(${tileThreads(tile)})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let a_base = group.z * dims.A_STEP;
  let b_base = group.z * dims.B_STEP;
  let a_first = group.y * ${tileRows(tile)}u;
  let b_first = group.x * ${tileColumns(tile)}u;
  let ty = lane / ${TX}u;
  let tx = lane % ${TX}u;
${each(S, (s) => `  let column${s} = b_first + ${4 * s * TX}u + 4u * tx;\n  let start${s} = start(column${s});`)}
${each2(4 * R, S, (i, s) => `  var sum_${i}_${s} = start${s};`)}
${tiledSums(product, tile)}
${each2(4 * R, S, (i, s) => `  store(group.z, a_first + ${tileRow(tile, i)}, column${s}, sum_${i}_${s});`)}
}
`;
});

/** Most rows of a product of few rows, its threads, and the columns of a workgroup. */
export const FEW_ROWS = 4;
const FEW_THREADS = 128;
export const FEW_COLUMNS = 8;

/**
 * The same for at most four rows, with A not transposed: there are too few sums for tiles, so the threads of a workgroup share
 * the steps along K of two quads of columns, and add up what they have.
 */
export const matmulFewRows = remembered(productKey, (product) => wgsl`
${productFunctions(product, { a: 4, b: 4 }, false)}
var<workgroup> parts: array<vec4f, ${FEW_ROWS * FEW_THREADS}>;  // [FEW_ROWS, FEW_THREADS / 2, 2]
@compute @workgroup_size(${FEW_THREADS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let a_base = group.z * dims.A_STEP;
  let b_base = group.z * dims.B_STEP;
  let n = group.x * ${FEW_COLUMNS}u + lane % 2u * 4u;
${each(FEW_ROWS, (m) => `  var sum${m} = vec4f();`)}
  for (var k = lane / 2u * 4u; k < dims.K; k += ${2 * FEW_THREADS}u) {
#if ${product.transposeB}
${each(4, (j) => `    let b${j} = load_b(b_base, n + ${j}u, k, dims.N, dims.K);`)}
#else
${each(4, (j) => `    let b${j} = load_b(b_base, k + ${j}u, n, dims.K, dims.N);`)}
#endif
${each(FEW_ROWS, (m) => `
    let a${m} = load_a(a_base, ${m}u, k, dims.M, dims.K);
    sum${m} += ${product.transposeB
      ? `vec4f(${list(4, (j) => `dot(a${m}, b${j})`)})`
      : Array.from({ length: 4 }, (_, j) => `a${m}[${j}] * b${j}`).join(' + ')};`)}
  }
${each(FEW_ROWS, (m) => `  parts[${m * FEW_THREADS}u + lane] = sum${m};`)}
  workgroupBarrier();
  // Sixteen threads for each quad of a row: four sums each, then one of them the rest.
  let m = lane / 32u;
  let first = m * ${FEW_THREADS}u + lane % 16u * 8u + lane / 16u % 2u;
  let four = parts[first] + parts[first + 2u] + parts[first + 4u] + parts[first + 6u];
  workgroupBarrier();
  parts[lane] = four;
  workgroupBarrier();
  if (lane % 16u > 0u) { return; }
  let column = group.x * ${FEW_COLUMNS}u + lane / 16u % 2u * 4u;
  var total = start(column);
  for (var i = 0u; i < 16u; i++) { total += parts[lane + i]; }
  store(group.z, m, column, total);
}
`);
