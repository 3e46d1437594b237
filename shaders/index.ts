/**
 * The WGSL itself, for other WebGPU programs: a module per op, forward kernels then backward, kernels for CPUs, and the fragments
 * they share.
 */
export * as activations from './parts/activations.js';
export * as adam from './adam.js';
export * as adamw from './adamw.js';
export * as attention from './attention.js';
export * as attentionCls from './attentionCls.js';
export * as batchnorm from './batchnorm.js';
export * as binary from './binary.js';
export * as blur from './blur.js';
export * as colorJitter from './colorJitter.js';
export * as common from './parts/common.js';
export * as concat from './concat.js';
export * as conv2d from './conv2d.js';
export * as conv2dBackward from './conv2dBackward.js';
export * as copy from './copy.js';
export * as crossEntropy from './crossEntropy.js';
export * as ema from './ema.js';
export * as gather from './parts/gather.js';
export * as globalNorm from './globalNorm.js';
export * as heads from './parts/heads.js';
export * as l2normalize from './l2normalize.js';
export * as layernorm from './layernorm.js';
export * as linear from './linear.js';
export * as matmul from './matmul.js';
export * as mse from './mse.js';
export * as normalize from './normalize.js';
export * as patchify from './patchify.js';
export * as pointwise from './parts/pointwise.js';
export * as resize from './resize.js';
export * as rows from './parts/rows.js';
export * as selfSimilarity from './selfSimilarity.js';
export * as softmax from './softmax.js';
export * as softwareAttention from './software/attention.js';
export * as softwareConv2d from './software/conv2d.js';
export * as softwareConv2dBackward from './software/conv2dBackward.js';
export * as softwareMatmul from './software/matmul.js';
export * as softwareSelfSimilarity from './software/selfSimilarity.js';
export * as sum from './sum.js';
export * as tile from './parts/tile.js';
export * as tileProduct from './parts/tileProduct.js';
export * as unary from './unary.js';
export * as upsample2x from './upsample2x.js';
export * as window from './window.js';
export { wgsl } from './parts/wgsl.js';
