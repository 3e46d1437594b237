/** What the matrix product kernels share: sizes, operands and what happens to a finished element. */
import { wgsl } from './wgsl.js';

/** C[M, N] = opA(A) opB(B), for each of a batch of matrices. */
export interface Product {
  /** A is stored [K, M] instead of [M, K]. */
  readonly transposeA: boolean;
  /** B is stored [N, K] instead of [K, N]. */
  readonly transposeB: boolean;
  /** The last axes of A and B as stored are multiples of 4, whatever the size of the image. */
  readonly aligned: boolean;
  readonly epilogue: Epilogue;
}

/** What a sum starts from and what becomes of it. */
export interface Epilogue {
  /** Bindings from 3 on, and functions. */
  readonly declarations: string;
  /** The start of column `n`'s sums: an expression. */
  readonly start: string;
  /** Statements that write `value`, the element of row `m` and column `n`, whose index in C is `at`. */
  readonly store: string;
}

/** c = A B and nothing else. */
export const plainEpilogue: Epilogue = {
  declarations: '@group(0) @binding(3) var<storage, read_write> c: array<f32>;  // [..., M, N]',
  start: '0.0',
  store: 'c[at] = value;',
};

/**
 * Sizes and operands. All sizes are in `dims`: one pipeline then serves every layer of a model. A_STEP and B_STEP are the elements from
 * one matrix of the batch to the next, 0 for an operand that all share. `width`: floats per load.
 */
export const operands = (widthA: number, widthB: number): string => wgsl`
struct Dims { M: u32, N: u32, K: u32, A_STEP: u32, B_STEP: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> a: array<${vector(widthA)}>;  // [..., M, K] or [..., K, M]
@group(0) @binding(2) var<storage, read> b: array<${vector(widthB)}>;  // [..., K, N] or [..., N, K]
`;

/** `start(n)` and `store(z, m, n, value)`, which ignores elements outside C. */
export const finish = ({ declarations, start, store }: Epilogue): string => wgsl`
${declarations}
fn start(n: u32) -> f32 {
  return ${start};
}
fn store(z: u32, m: u32, n: u32, value: f32) {
  if (m >= dims.M || n >= dims.N) { return; }
  let at = (z * dims.M + m) * dims.N + n;
  ${store}
}
`;

/** The type of `width` floats. */
const vector = (width: number): string => (width === 1 ? 'f32' : `vec${width}f`);
