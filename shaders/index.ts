/** The WGSL itself, for other WebGPU programs: one module per op, forward kernels then backward. */
export * as common from './common.js';
export * as binary from './binary.js';
export * as copy from './copy.js';
export * as sum from './sum.js';
export { wgsl } from './wgsl.js';
