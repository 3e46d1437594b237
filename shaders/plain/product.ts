/** Products as plain loops, without tiles: what calibration compares other kernels with. */
import { remembered } from '../parts/remembered.js';
import { productFunctions, productKey, type Product } from '../parts/tile.js';
import { TILE_THREADS } from '../parts/tileProduct.js';
import { wgsl } from '../parts/wgsl.js';

/** Rows, and quads of columns, of a workgroup of `matmulPlain`. */
export const PLAIN_SIDE = 8;

/** Element `at` of an operand. */
const element = (name: string, aligned: boolean): string => wgsl`
fn element_${name}(at: u32) -> f32 {
#if ${aligned}
  let four = ${name}[at / 4u];
  return four[at % 4u];
#else
  return ${name}[at];
#endif
}
`;

/** C = opA(A) opB(B), a row and four columns a thread. */
export const matmulPlain = remembered(productKey, (product: Product) => wgsl`
${productFunctions(product, { a: 4, b: 4 }, true)}
${element('a', product.aligned)}
${element('b', product.aligned)}
fn at_a(m: u32, k: u32) -> u32 { return ${product.transposeA ? 'k * dims.M + m' : 'm * dims.K + k'}; }
fn at_b(k: u32, n: u32) -> u32 { return ${product.transposeB ? 'n * dims.K + k' : 'k * dims.N + n'}; }
@compute @workgroup_size(${PLAIN_SIDE ** 2})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.y * ${PLAIN_SIDE}u + lane / ${PLAIN_SIDE}u;
  let column = (group.x * ${PLAIN_SIDE}u + lane % ${PLAIN_SIDE}u) * 4u;
  let m = min(row, dims.M - 1u);
  let n = min(vec4u(column) + vec4u(0u, 1u, 2u, 3u), vec4u(dims.N - 1u));
  let a_base = group.z * dims.A_STEP;
  let b_base = group.z * dims.B_STEP;
  var sums = start(column);
  for (var k = 0u; k < dims.K; k++) {
    let b_step = vec4f(
      element_b(b_base + at_b(k, n.x)), element_b(b_base + at_b(k, n.y)),
      element_b(b_base + at_b(k, n.z)), element_b(b_base + at_b(k, n.w)));
    sums += element_a(a_base + at_a(m, k)) * b_step;
  }
  store(group.z, row, column, sums);
}
`);

/** The product of `tileProduct`, from the same operands, in the same grid: an element of the tile at a time. */
export const plainProduct = (operands: string): string => wgsl`
override TM: u32;
override TN: u32;
override KC: u32;
struct Place { row: u32, col: u32, begin: u32, end: u32, part: u32 }
${operands}
@compute @workgroup_size(${TILE_THREADS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let p = place(group);
  for (var i = lane; i < TM * TN; i += ${TILE_THREADS}u) {
    let row = p.row + i / TN;
    let col = p.col + i % TN;
    if (row >= rows()) { return; }
    let c = column(p, col);
    var total = 0.0;
    for (var k = p.begin; k < p.end; k++) {
      let s = step(p, k);
      total += load_a(row, s) * load_b(s, c);
    }
    write(target_of(p, col), row, total);
  }
}
`;
