/** Vision transformers, generators, losses and the training run. */
export type { Image } from './image.js';
export { defaultOptions, type Losses, type RecipeName, type SpliceOptions } from './options.js';
export { principalComponents, type Components } from './pca.js';
export { random, type Random } from './random.js';
export { recipes, type Recipe } from './recipes.js';
export { startSplice, type SpliceRun, type StepInfo } from './splice.js';
export { skipNetwork, type SkipOptions } from './generators/skip.js';
export { unet, type UnetOptions } from './generators/unet.js';
export * from './generators/parameters.js';
export * from './losses.js';
export * from './vit/config.js';
export { CheckpointFileError } from './checkpoints/errors.js';
export { parseSafetensors, serializeSafetensors, type Safetensors } from './safetensors.js';
export { CheckpointError, parseSidecar, vitFromWeights, type VitSettings } from './vit/checkpoint.js';
export { interpolatePositions } from './vit/positions.js';
export { UNTRAINED_CONFIG, untrainedVit, vitParameters } from './vit/untrained.js';
export * from './vit/vit.js';
