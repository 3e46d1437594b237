/** Matrix products. */
import { remembered } from './parts/remembered.js';
import { productFunctions, productKey, type Product } from './parts/tile.js';
import { wgsl } from './parts/wgsl.js';

/** Rows and columns of C that a workgroup computes; 256 threads with 4 by 4 each. */
export const GPU_TILE = 64;

/**
 * Copies one operand's part of the tile, 16 steps along K by 64 lines (rows of A or columns of B), to workgroup memory, K-major.
 * Each thread moves four floats that are neighbours in storage.
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

/** Workgroup memory of `tiledSums`. */
export const tileMemory = wgsl`
const STRIDE = ${GPU_TILE + 4}u;  // padded: threads that store down a column hit different banks
var<workgroup> tile_a: array<f32, 16u * STRIDE>;  // [K, M]
var<workgroup> tile_b: array<f32, 16u * STRIDE>;  // [K, N]
`;

/**
 * Adds to `sums` the 4 by 4 elements of a tile that a thread keeps. From the kernel: `lane`, the tile's corner (a_first,
 * b_first), the thread's corner in it (row, column), and a_base and b_base, where the operands begin.
 */
export const tiledSums = ({ transposeA, transposeB }: Pick<Product, 'transposeA' | 'transposeB'>): string => wgsl`
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
`;

/** C = opA(A) opB(B): a workgroup shares tiles of both operands, a thread keeps 4 by 4 sums. */
export const matmulTiled = remembered(productKey, (product) => wgsl`
${productFunctions(product, { a: 4, b: 4 }, true)}
${tileMemory}
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
${tiledSums(product)}
  for (var i = 0u; i < 4u; i++) { store(group.z, a_first + row + i, b_first + column, sums[i]); }
}
`);
