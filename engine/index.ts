/** The engine for embedding: graphs, gradients and programs on any GPUDevice. */
export { gradients } from './autodiff.js';
export { createEngine, Engine, type EngineOptions } from './engine.js';
export { DeviceLostError, KernelError, OutOfMemoryError } from './errors.js';
export { addNode, Graph, labelOf, type Fused, type Node, type Op, type Tensor } from './graph.js';
export { ceilDiv, f32Bits, linearGrid, type Kernel, type Tuning } from './kernel.js';
export * from './ops/index.js';
export { median, showProfile, type ProfileRow } from './profile.js';
export { Program } from './program.js';
export { schedule, showSchedule, type Schedule } from './schedule.js';
export { ShapeError, showShape, sizeOf, type Shape } from './shape.js';
export type { Variant } from './variant.js';
export { traitsOf, tuningFor, type DeviceTraits } from './tuning.js';
