/** The engine for embedding: graphs, gradients and programs on any GPUDevice. */
export { gradients } from './schedule/autodiff.js';
export { createEngine, Engine, type EngineOptions } from './run/engine.js';
export { halfValues, toHalf, toHalves } from './run/half.js';
export { checkBufferSize, DeviceLostError, FeatureError, KernelError, OutOfMemoryError } from './run/errors.js';
export { addNode, Graph, labelOf, inputOp, type Dtype, type Fused, type LeafAttrs, type Node, type Op, type Tensor } from './graph/graph.js';
export { ceilDiv, f32Bits, linearGrid, type Kernel, type KernelVariant, type Tuning } from './graph/kernel.js';
export * from './ops/index.js';
export { median, noise, profile, showProfile, timeRuns, type Profile, type ProfileRow } from './run/profile.js';
export { Program } from './run/program.js';
export { measureRoof, type Roof } from './run/roof.js';
export { schedule, showSchedule, type Schedule } from './schedule/schedule.js';
export { ShapeError, showShape, sizeOf, type Shape } from './graph/shape.js';
export { single } from './single.js';
export type { Variant } from './schedule/variant.js';
export { traitsOf, tuningFor, type DeviceTraits } from './run/tuning.js';
