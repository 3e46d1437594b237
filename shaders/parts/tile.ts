/** Common to the kernels of matrix products: sizes, loads, and the treatment of finished elements. */
import { list } from './common.js';
import { wgsl } from './wgsl.js';

/** C[M, N] = opA(A) opB(B), for each of a batch of matrices. */
export interface Product {
  /** A is stored [K, M] instead of [M, K]. */
  readonly transposeA: boolean;
  /** B is stored [N, K] instead of [K, N]. */
  readonly transposeB: boolean;
  /** The last axes of A, B and C are multiples of 4 for images of any size: memory is read and written 4 floats at a time. */
  readonly aligned: boolean;
  readonly epilogue: Epilogue;
}

/** Start and end of the sums. An `item` is a vec4f if the product is aligned, else a float. */
export interface Epilogue {
  /** Bindings from 3 on, as arrays of `item`, and functions. */
  readonly declarations: string;
  /** Initial value of the sums of column `n` (counted in items): an expression of type `item`. */
  readonly start: string;
  /** Statements that write `value`, whose index in C (in items) is `at`. */
  readonly store: string;
}

/** Tells the texts of products apart. */
export const productKey = ({ transposeA, transposeB, aligned, epilogue: { declarations, start, store } }: Product): string =>
  [transposeA, transposeB, aligned, declarations, start, store].join('\n');

/** c = A B and nothing else. */
export const plainEpilogue: Epilogue = {
  declarations: '@group(0) @binding(3) var<storage, read_write> c: array<item>;  // [..., M, N]',
  start: 'item()',
  store: 'c[at] = value;',
};

/**
 * `load_a(base, outer, inner, outers, inners)`: neighbours in a matrix that is stored [outers, inners] from element `base` on.
 * Elements outside are zero if `zeros`, else undefined.
 */
const load = (name: string, width: 2 | 4, aligned: boolean, zeros: boolean): string => {
  const vector = `vec${width}`;
  const steps = `${vector}u(${list(width, String)})`;
  const elements = list(width, (i) => `${name}[i.${'xyzw'[i]}]`);
  return wgsl`
fn load_${name}(base: u32, outer: u32, inner: u32, outers: u32, inners: u32) -> ${vector}f {
#if ${aligned && !zeros}
  // Each part is divided on its own: all but the step along K stays out of the loop.
  return ${name}[base / ${width}u + min(outer, outers - 1u) * (inners / ${width}u)
    + min(inner, inners - ${width}u) / ${width}u];
#elif ${aligned}
  let inside = outer < outers && inner < inners;
  return select(${vector}f(), ${name}[select(0u, (base + outer * inners + inner) / ${width}u, inside)], inside);
#else
  let at = base + outer * inners + inner;
  let inside = ${vector}<bool>(outer < outers) & (${vector}u(inner) + ${steps} < ${vector}u(inners));
  let i = select(${vector}u(), ${vector}u(at) + ${steps}, inside);
  return select(${vector}f(), ${vector}f(${elements}), inside);
#endif
}
`;
};

/**
 * `dims`, operands and their loads of `a` and `b` neighbours; `start(n)` and `store(z, m, n, sums)` for four columns from `n` on,
 * of which those outside C are ignored. All sizes are in `dims`, so that one pipeline serves every layer of a model. A_STEP and
 * B_STEP are the elements from one matrix of the batch to the next, 0 for an operand that all share. Without `zeros`, for kernels
 * that never step beyond K, loads outside a matrix are undefined.
 */
export const productFunctions = (
  { aligned, epilogue: { declarations, start, store } }: Product, { a, b }: Readonly<Record<'a' | 'b', 2 | 4>>, zeros: boolean,
): string => wgsl`
alias item = ${aligned ? 'vec4f' : 'f32'};
struct Dims { M: u32, N: u32, K: u32, A_STEP: u32, B_STEP: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> a: array<${aligned ? `vec${a}f` : 'f32'}>;  // [..., M, K] or [..., K, M]
@group(0) @binding(2) var<storage, read> b: array<${aligned ? `vec${b}f` : 'f32'}>;  // [..., K, N] or [..., N, K]
${declarations}
${load('a', a, aligned, zeros)}
${load('b', b, aligned, zeros)}
fn start_item(n: u32) -> item {
  return ${start};
}
fn store_item(at: u32, value: item) {
  ${store}
}
#if ${aligned}
fn start(n: u32) -> vec4f {
  return start_item(min(n, dims.N - 1u) / 4u);
}
fn store(z: u32, m: u32, n: u32, sums: vec4f) {
  if (m < dims.M && n < dims.N) { store_item(((z * dims.M + m) * dims.N + n) / 4u, sums); }
}
#else
fn start(n: u32) -> vec4f {
  let last = dims.N - 1u;
  return vec4f(
    start_item(min(n, last)), start_item(min(n + 1u, last)),
    start_item(min(n + 2u, last)), start_item(min(n + 3u, last)));
}
fn store(z: u32, m: u32, n: u32, sums: vec4f) {
  if (m >= dims.M) { return; }
  let at = (z * dims.M + m) * dims.N + n;
  if (n < dims.N) { store_item(at, sums.x); }
  if (n + 1u < dims.N) { store_item(at + 1u, sums.y); }
  if (n + 2u < dims.N) { store_item(at + 2u, sums.z); }
  if (n + 3u < dims.N) { store_item(at + 3u, sums.w); }
}
#endif
`;
