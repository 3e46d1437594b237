/** Types for TypeScript before 6.0, whose `dom` library has no WebGPU; package.json gives them to no other. */
/// <reference types="@webgpu/types" preserve="true" />
export * from './index.js';
