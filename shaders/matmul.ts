/** Matrix products: workgroup tiles for GPUs, register tiles for a CPU that pretends to be one. */
import { finish, operands, type Product } from './tile.js';
import { wgsl } from './wgsl.js';

/** Rows and columns of C that a workgroup of the GPU kernel computes; 256 threads with 4 by 4 each. */
export const GPU_TILE = 64;

/** Four floats of a matrix stored [outer, inner], along its inner axis; zeros outside. `base` is where the matrix begins. */
const loadFour = (name: string, aligned: boolean): string => wgsl`
fn load_${name}(base: u32, outer: u32, inner: u32, outers: u32, inners: u32) -> vec4f {
  if (outer >= outers || inner >= inners) { return vec4f(); }
  let at = base + outer * inners + inner;
#if ${aligned}
  return ${name}[at / 4u];
#else
  var v = vec4f(${name}[at], 0.0, 0.0, 0.0);
  if (inner + 1u < inners) { v.y = ${name}[at + 1u]; }
  if (inner + 2u < inners) { v.z = ${name}[at + 2u]; }
  if (inner + 3u < inners) { v.w = ${name}[at + 3u]; }
  return v;
#endif
}
`;

/**
 * One operand's part of the tile, 16 steps along K by 64 lines (rows of A or columns of B), is put into workgroup memory K-major: each of 256
 * threads moves four floats that are neighbours in storage.
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
export const matmulTiled = ({ transposeA, transposeB, aligned, epilogue }: Product): string => wgsl`
${operands(aligned ? 4 : 1, aligned ? 4 : 1)}
const STRIDE = ${GPU_TILE + 4}u;  // padded: threads that store down a column hit different banks
var<workgroup> tile_a: array<f32, 16u * STRIDE>;  // [K, M]
var<workgroup> tile_b: array<f32, 16u * STRIDE>;  // [K, N]
${loadFour('a', aligned)}
${loadFour('b', aligned)}
${finish(epilogue)}
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let a_base = group.z * dims.A_STEP;
  let b_base = group.z * dims.B_STEP;
  let a_first = group.y * ${GPU_TILE}u;
  let b_first = group.x * ${GPU_TILE}u;
  let row = lane / 16u * 4u;
  let column = lane % 16u * 4u;
  var sums = array<vec4f, 4>();
  for (var k = 0u; k < dims.K; k += 16u) {
${fetch('a', !transposeA, 'dims.M')}
${fetch('b', transposeB, 'dims.N')}
    workgroupBarrier();
    for (var step = 0u; step < 16u; step++) {
      let at_b = step * STRIDE + column;
      let b_step = vec4f(tile_b[at_b], tile_b[at_b + 1u], tile_b[at_b + 2u], tile_b[at_b + 3u]);
      for (var i = 0u; i < 4u; i++) { sums[i] += tile_a[step * STRIDE + row + i] * b_step; }
    }
    workgroupBarrier();
  }
  for (var i = 0u; i < 4u; i++) {
    for (var j = 0u; j < 4u; j++) {
      let n = b_first + column + j;
      store(group.z, a_first + row + i, n, sums[i][j] + start(n));
    }
  }
}
`;

/** The register tile of a lane: rows of C, and columns (1, 2 or 4). */
export interface RegisterTile {
  readonly rows: number;
  readonly columns: number;
}

const repeat = (count: number, line: (i: number) => string): string => Array.from({ length: count }, (_, i) => line(i)).join('\n');

/**
 * C = opA(A) opB(B) with nothing but registers: a workgroup is one subgroup of `lanes`; a lane keeps `rows` by `columns` sums, its columns side by
 * side. Along K the lanes take `lanes` steps at a time: each loads one step of every row of A, and `subgroupBroadcast` hands it to the others.
 */
export function matmulLanes({ transposeA, transposeB, aligned, epilogue }: Product, lanes: number, { rows, columns }: RegisterTile): string {
  const widthB = !aligned ? 1 : transposeB ? 4 : columns;
  const loadsB = transposeB ? lanes / widthB : columns / widthB;
  // What the lane holds of B for step `s` and column `j`.
  const elementB = (s: number, j: number): string => {
    const along = transposeB ? s : j;
    const load = Math.floor(along / widthB);
    return `b_${transposeB ? j : s}_${load}${widthB > 1 ? `[${along % widthB}]` : ''}`;
  };
  const indexB = (s: number, j: number): string => (transposeB ? `b_${j} + min(k + ${s}u, last_k)` : `b_${j} + min(k + ${s}u, last_k) * dims.N`);
  const loadB = (line: number, load: number): string => {
    const index = transposeB ? indexB(load * widthB, line) : indexB(line, load * widthB);
    return `    let b_${line}_${load} = b[${widthB > 1 ? `(${index}) / ${widthB}u` : index}];`;
  };
  const linesB = transposeB ? columns : lanes;
  return wgsl`
enable subgroups;
${operands(1, widthB)}
${finish(epilogue)}
@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let m = group.y * ${rows}u;
  let n = (group.x * ${lanes}u + lane) * ${columns}u;
  let last_k = dims.K - 1u;
  // Where rows and columns begin. Those outside C do the last one's work again and are not stored.
${repeat(rows, (i) => `  let a_${i} = group.z * dims.A_STEP + min(m + ${i}u, dims.M - 1u)${transposeA ? '' : ' * dims.K'};`)}
${repeat(columns, (j) => `  let b_${j} = group.z * dims.B_STEP + min(n + ${j}u, dims.N - 1u)${transposeB ? ' * dims.K' : ''};`)}
${repeat(rows * columns, (i) => `  var sum_${Math.floor(i / columns)}_${i % columns} = start(n + ${i % columns}u);`)}
  for (var k = 0u; k < dims.K; k += ${lanes}u) {
    let step = min(k + lane, last_k)${transposeA ? ' * dims.M' : ''};
    let inside = k + lane <= last_k;
${repeat(rows, (i) => `    let own_${i} = select(0.0, a[a_${i} + step], inside);`)}
${repeat(linesB * loadsB, (i) => loadB(Math.floor(i / loadsB), i % loadsB))}
${repeat(lanes * rows, (i) => {
    const s = Math.floor(i / rows);
    const row = i % rows;
    return [`    let a_${row}_${s} = subgroupBroadcast(own_${row}, ${s}u);`,
      ...Array.from({ length: columns }, (_, j) => `    sum_${row}_${j} += a_${row}_${s} * ${elementB(s, j)};`)].join('\n');
  })}
  }
${repeat(rows * columns, (i) => `  store(group.z, m + ${Math.floor(i / columns)}u, n + ${i % columns}u, sum_${Math.floor(i / columns)}_${i % columns});`)}
}
`;
}
