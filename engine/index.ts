/** The engine for embedding: graphs, gradients and programs on any GPUDevice. */
export {
  addNode, ceilDiv, EngineError, f32Bits, Graph, labelOf, linearGrid, parameterOp, ShapeError, showShape, sizeOf, UseError,
} from './graph/index.js';
export type { Dtype, EngineErrorCode, Fused, Kernel, LeafAttrs, Node, Op, Shape, Tensor, Tuning } from './graph/index.js';
export * from './ops/index.js';
export {
  calibrate, UNFINISHED, unmeasured,
  type CalibrateOptions, type CalibrationReport, type CalibrationRow, type CalibrationStore, type KernelTrial,
} from './run/calibrate.js';
export { uncalibrated, type Calibration } from './run/choices.js';
export { deviceDescriptor } from './run/deviceDescriptor.js';
export { createEngine, Engine, type CompileOptions, type EngineOptions } from './run/engine.js';
export { checkBufferSize, DeviceLostError, FeatureError, KernelError, OutOfMemoryError } from './run/errors.js';
export type { BufferRange, HostBuffer } from './run/hostBuffers.js';
export { halfValues, toHalf, toHalves } from './run/half.js';
export { median, noise, profile, showProfile, timeRuns, type Profile, type ProfileRow } from './run/profile.js';
export { Program, type LaunchRange } from './run/program.js';
export { measureRoof, type Roof } from './run/roof.js';
export {
  planarToTexture, textureFrom, textureToPlanar, type EncodeTexture, type StorageFormat, type TextureOptions,
} from './run/textures.js';
export {
  candidateTunings, plainTuning, traitsOf, tuningFor, unitsOf, type DeviceTraits, type KernelVariant,
} from './run/tuning.js';
export type { MatrixUnits } from '../shaders/units/usable.js';
export { gradients } from './schedule/autodiff.js';
export { single } from './schedule/single.js';
export { schedule, showSchedule, type Schedule } from './schedule/schedule.js';
export type { Variant } from './schedule/variant.js';
