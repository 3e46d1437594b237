/** The engine for embedding: graphs, gradients and programs on any GPUDevice. */
export { gradients } from './autodiff.js';
export { createEngine, Engine, type EngineOptions } from './engine.js';
export { halfValues, toHalf, toHalves } from './half.js';
export { checkBufferSize, DeviceLostError, FeatureError, KernelError, OutOfMemoryError } from './errors.js';
export { addNode, Graph, labelOf, inputOp, type Dtype, type Fused, type LeafAttrs, type Node, type Op, type Tensor } from './graph.js';
export { ceilDiv, f32Bits, linearGrid, type Kernel, type KernelVariant, type Tuning } from './kernel.js';
export * from './ops/index.js';
export { median, noise, profile, showProfile, timeRuns, type Profile, type ProfileRow } from './profile.js';
export { Program } from './program.js';
export { measureRoof, type Roof } from './roof.js';
export { schedule, showSchedule, type Schedule } from './schedule.js';
export { ShapeError, showShape, sizeOf, type Shape } from './shape.js';
export { single } from './single.js';
export type { Variant } from './variant.js';
export { traitsOf, tuningFor, type DeviceTraits } from './tuning.js';
