export * from './binary.js';
export * from './copy.js';
export * from './sum.js';
export { alignedSize, pack, reshape, view } from './view.js';
