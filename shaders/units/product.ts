/** Matrix products on a GPU's matrix units, which subgroups share (Dawn's chromium-experimental-subgroup-matrix). */
import { each, each2 } from '../parts/common.js';
import { remembered } from '../parts/remembered.js';
import { productFunctions, productKey, type Product } from '../parts/tile.js';
import { wgsl } from '../parts/wgsl.js';
import { SUBGROUPS, unitEntry, unitHeader, unitPowers, unitThreads } from './parts.js';
import { bytesOf, DRAINED, LEAST_DEPTH, QUARTER, type MatrixUnits } from './usable.js';

/** The tile of C that a workgroup computes: two by two subgroups, each with a quarter of it. */
export interface UnitTile {
  readonly rows: number;
  readonly columns: number;
}

export const unitTiles = {
  narrow: { rows: 64, columns: 64 },
  wide: { rows: 64, columns: 128 },
} as const satisfies Record<string, UnitTile>;

/** The floats of the sums that all subgroups hand over at once: a matrix counts as whole rows here too. */
const DRAIN_SIZE = SUBGROUPS * DRAINED + QUARTER;
/** WebGPU's default limit of workgroup memory, in bytes. */
const MEMORY = 16384;

/** One operand's part of the tile in memory. Rows are padded by 16 bytes, so that neighbours are in different banks. */
interface Part {
  readonly name: 'a' | 'b';
  /** Lines of the tile: rows of A, columns of B. */
  readonly lines: number;
  /** Kept as [lines, depth], else as [depth, lines]: as the operand is stored. */
  readonly lineMajor: boolean;
  readonly stride: number;
}

interface Plan {
  readonly a: Part;
  readonly b: Part;
  /** Steps along K of a tile in memory. */
  readonly depth: number;
}

function planOf({ transposeB }: Product, { type }: MatrixUnits, { rows, columns }: UnitTile): Plan {
  const bytes = bytesOf(type);
  const pad = 16 / bytes;
  const parts = (depth: number): Plan => ({
    depth,
    a: { name: 'a', lines: rows, lineMajor: true, stride: depth + pad },
    b: { name: 'b', lines: columns, lineMajor: transposeB, stride: (transposeB ? depth : columns) + pad },
  });
  const deep = parts((2 * LEAST_DEPTH) / bytes);
  const needed = bytes * (sizeOf(deep.a, deep.depth) + sizeOf(deep.b, deep.depth)) + 4 * (DRAIN_SIZE + 1);
  return needed <= MEMORY ? deep : parts(LEAST_DEPTH / bytes);
}

/** Elements in memory. A matrix counts as whole rows of its stride, so the last one reaches a row further than it reads. */
const sizeOf = ({ lines, lineMajor, stride }: Part, depth: number): number => ((lineMajor ? lines : depth) + 1) * stride;

/** Vectors of four that a thread loads of a part. */
const countOf = ({ lines }: Part, depth: number, threads: number): number => (lines * depth) / 4 / threads;

/** Places of the thread's vector `j`: its row in memory, and its first element there. */
const placeOf = ({ lines, lineMajor }: Part, depth: number, threads: number, j: number): string => wgsl`
      let i = lane + ${j * threads}u;
      let outer = i / ${(lineMajor ? depth : lines) / 4}u;
      let inner = i % ${(lineMajor ? depth : lines) / 4}u * 4u;
`;

/** Loads the thread's vectors of the tile at k. Beyond K those of A are zero. */
const load = (part: Part, depth: number, threads: number): string => {
  const { name, lineMajor } = part;
  const size = `dims.${name === 'a' ? 'M' : 'N'}`;
  const from = lineMajor
    ? `${name}_first + outer, k + inner, ${size}, dims.K` : `k + outer, ${name}_first + inner, dims.K, ${size}`;
  return each(countOf(part, depth, threads), (j) => wgsl`
    {
${placeOf(part, depth, threads, j)}
      next_${name}${j} = load_${name}(${name}_base, ${from});
#if ${name === 'a'}
      if (k + inner >= dims.K) { next_a${j} = vec4f(); }
#endif
    }
`);
};

/** Stores them in the units' type. */
const store = (part: Part, depth: number, threads: number, scaled: boolean): string => {
  const { name, stride } = part;
  return each(countOf(part, depth, threads), (j) => wgsl`
    {
${placeOf(part, depth, threads, j)}
      let at = outer * ${stride}u + inner;
      let value = vec4<unit>(next_${name}${j}${scaled ? ' * scale' : ''});
${each(4, (c) => `      tile_${name}[at + ${c}u] = value[${c}];`)}
    }
`);
};

/** Scales A as its largest element so far asks. Sums of earlier steps are scaled again when the power falls. */
const rescale = (rows: number, columns: number): string => wgsl`
    let wanted = power_of(atomicLoad(&peak));
    if (wanted != power) {
      let ratio = ratio_of(power, wanted);
${each2(rows, columns, (i, j) => `      sum_${i}_${j} = subgroupMatrixScalarMultiply(sum_${i}_${j}, ratio);`)}
      power = wanted;
    }
    let scale = scale_of(power);
`;

/** The largest magnitude of what was loaded, by its bits, which order as the numbers do. */
const measure = (count: number): string => wgsl`
      var most = vec4u();
${each(count, (j) => `      most = max(most, bitcast<vec4u>(next_a${j}) & vec4u(0x7fffffffu));`)}
      let largest = subgroupMax(max(max(most.x, most.y), max(most.z, most.w)));
      if (subgroupElect()) { atomicMax(&peak, largest); }
`;

/** Multiplies the tile in memory. */
function multiply({ a, b, depth }: Plan, { M, N, K }: MatrixUnits, rows: number, columns: number): string {
  const at = ({ lineMajor, stride }: Part, line: string): string =>
    (lineMajor ? `(${line}) * ${stride}u + step` : `step * ${stride}u + ${line}`);
  return wgsl`
    for (var step = 0u; step < ${depth}u; step += ${K}u) {
${each(rows, (i) => wgsl`
      let a${i} = subgroupMatrixLoad<Left, row_major>(&tile_a, ${at(a, `row + ${i * M}u`)}, ${a.stride}u);`)}
${each(columns, (j) => wgsl`
      let b${j} = subgroupMatrixLoad<Right, ${b.lineMajor ? 'col_major' : 'row_major'}>(
        &tile_b, ${at(b, `column + ${j * N}u`)}, ${b.stride}u);`)}
${each2(rows, columns, (i, j) => `      sum_${i}_${j} = subgroupMatrixMultiplyAccumulate(a${i}, b${j}, sum_${i}_${j});`)}
    }
`;
}

/** Hands the sums to the threads through memory, some matrices side by side at a time, and stores them. */
function drain({ M, N, lanes }: MatrixUnits, rows: number, columns: number, scaled: boolean): string {
  const beside = DRAINED / (M * N);
  const width = beside * N;
  return each2(rows, columns / beside, (i, j) => wgsl`
  workgroupBarrier();
${each(beside, (p) => wgsl`
  subgroupMatrixStore<row_major>(&drained, part * ${DRAINED}u + ${p * N}u, sum_${i}_${j * beside + p}, ${width}u);`)}
  workgroupBarrier();
  for (var i = place * 4u; i < ${DRAINED}u; i += ${4 * lanes}u) {
    let m = a_first + row + ${i * M}u + i / ${width}u;
    let n = b_first + column + ${j * width}u + i % ${width}u;
    let at = part * ${DRAINED}u + i;
    let sums = vec4f(drained[at], drained[at + 1u], drained[at + 2u], drained[at + 3u])${scaled ? ' * inverse' : ''};
    store(group.z, m, n, start(n) + sums);
  }
`);
}

const unitsKey = (product: Product, units: MatrixUnits, tile: UnitTile, scaled: boolean): string =>
  [productKey(product), ...Object.values(units), ...Object.values(tile), scaled].join();

/**
 * C = A opB(B) on matrix units. Operands are rounded to the units' type in workgroup memory, where the tile is padded, so that
 * matrices never reach beyond an operand. `scaled`: A is f32 and may be too small or too large for f16, as gradients are.
 */
export const matmulUnits = remembered(unitsKey, (product, units, tile, scaled) => {
  const plan = planOf(product, units, tile);
  const { a, b, depth } = plan;
  const threads = unitThreads(units);
  const [rows, columns] = [tile.rows / 2 / units.M, tile.columns / 2 / units.N];
  const counts = { a: countOf(a, depth, threads), b: countOf(b, depth, threads) };
  const loads = load(a, depth, threads) + load(b, depth, threads) + (scaled ? measure(counts.a) : '');
  return wgsl`
${unitHeader(units)}
${productFunctions(product, { a: 4, b: 4 }, false)}
var<workgroup> tile_a: array<unit, ${sizeOf(a, depth)}>;  // [rows, depth] and padding
var<workgroup> tile_b: array<unit, ${sizeOf(b, depth)}>;  // as B is stored, and padding
var<workgroup> drained: array<f32, ${DRAIN_SIZE}>;
#if ${scaled}
var<workgroup> peak: atomic<u32>;
${unitPowers}
#endif
${unitEntry(units)}
fn main(
  @builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32,
  @builtin(subgroup_id) part: u32, @builtin(subgroup_invocation_id) place: u32,
) {
  let a_base = group.z * dims.A_STEP;
  let b_base = group.z * dims.B_STEP;
  let a_first = group.y * ${tile.rows}u;
  let b_first = group.x * ${tile.columns}u;
  let row = part / 2u * ${tile.rows / 2}u;
  let column = part % 2u * ${tile.columns / 2}u;
${each2(rows, columns, (i, j) => `  var sum_${i}_${j} = Sums();`)}
${each(counts.a, (j) => `  var next_a${j} = vec4f();`)}
${each(counts.b, (j) => `  var next_b${j} = vec4f();`)}
#if ${scaled}
  var power = 254u;
  if (lane == 0u) { atomicStore(&peak, 0u); }
  workgroupBarrier();
#endif
  {
    let k = 0u;
${loads}
  }
  for (var k = ${depth}u; k < dims.K + ${depth}u; k += ${depth}u) {
    workgroupBarrier();
${scaled ? rescale(rows, columns) : ''}
${store(a, depth, threads, scaled)}
${store(b, depth, threads, false)}
    workgroupBarrier();
    if (k < dims.K) {
${loads}
    }
${multiply(plan, units, rows, columns)}
  }
#if ${scaled}
  let inverse = inverse_of(power);
#endif
${drain(units, rows, columns, scaled)}
}
`;
});
