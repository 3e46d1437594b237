/**
 * Settings of a pretraining: self-distillation (DINO: Caron et al., "Emerging Properties in Self-Supervised Vision Transformers", ICCV 2021), or
 * learning from another ViT.
 */
import { IMAGENET_MEAN, IMAGENET_STD, type VitConfig } from '../vit/config.js';

/** Everything that decides what a pretraining computes; together with the photos it repeats the run. */
export interface PretrainOptions {
  /** A ViT to learn from, by name or file, instead of from its own average. Then of what follows crops, head and teacher's settings play no part. */
  readonly teacher?: string;
  readonly dim: number;
  readonly depth: number;
  readonly heads: number;
  readonly patch: number;
  /** Side of the two global crops in pixels; position embeddings are made for it. */
  readonly imageSize: number;
  /** Side of the local crops in pixels. */
  readonly localSize: number;
  /** Local crops of every photo. */
  readonly locals: number;
  /** Photos per step. */
  readonly batch: number;
  readonly epochs: number;
  readonly seed: number;
  /** Width of the projection head's two hidden layers, of its bottleneck, and number of its outputs. */
  readonly headHidden: number;
  readonly bottleneck: number;
  readonly prototypes: number;
  /** Learning rate for 256 photos per step; scaled to `batch`. Rises from 0 over `warmupEpochs`, then falls along a cosine to `minLr`. */
  readonly lr: number;
  readonly minLr: number;
  readonly warmupEpochs: number;
  /** Weight decay at the start and at the end, along a cosine. */
  readonly weightDecay: number;
  readonly weightDecayEnd: number;
  /** Longest gradient, of all parameters together. */
  readonly clip: number;
  /** Share of itself that the teacher keeps every step; rises to 1 along a cosine. */
  readonly momentum: number;
  /** Temperature of the teacher: rises linearly from the first to the second over `teacherWarmupEpochs`. */
  readonly teacherTempStart: number;
  readonly teacherTemp: number;
  readonly teacherWarmupEpochs: number;
  readonly studentTemp: number;
  /** Share of itself that the centre of the teacher's outputs keeps every step. */
  readonly centerMomentum: number;
  /** Epochs in which the last layer is held still. */
  readonly freezeLastLayer: number;
  /** Smallest and largest share of a photo's area in a crop. */
  readonly globalScale: readonly [number, number];
  readonly localScale: readonly [number, number];
}

/** The paper's settings where the size of the model does not matter; sizes for a small model on a slow machine. */
export const pretrainDefaults: PretrainOptions = {
  dim: 128, depth: 6, heads: 4, patch: 8, imageSize: 64, localSize: 32, locals: 4, batch: 16, epochs: 100, seed: 1,
  headHidden: 512, bottleneck: 128, prototypes: 2048,
  lr: 0.0005, minLr: 1e-6, warmupEpochs: 10, weightDecay: 0.04, weightDecayEnd: 0.4, clip: 3,
  momentum: 0.996, teacherTempStart: 0.04, teacherTemp: 0.07, teacherWarmupEpochs: 30, studentTemp: 0.1, centerMomentum: 0.9,
  freezeLastLayer: 1, globalScale: [0.4, 1], localScale: [0.05, 0.4],
};

/** What plays no part where there is another ViT to learn from. */
export const selfDistillationOnly = [
  'localSize', 'locals', 'localScale', 'headHidden', 'bottleneck', 'prototypes', 'momentum', 'teacherTempStart', 'teacherTemp', 'teacherWarmupEpochs', 'studentTemp',
  'centerMomentum', 'freezeLastLayer',
] as const satisfies readonly (keyof PretrainOptions)[];

/** Where there is another ViT to learn from: it says the same at every step, so that steps can be large from early on. */
export const distillationDefaults: PretrainOptions = { ...pretrainDefaults, lr: 0.016, warmupEpochs: 2, weightDecay: 0.05, weightDecayEnd: 0.05, globalScale: [0.3, 1] };

/** The ViT that these options make. */
export const vitConfigOf = ({ dim, depth, heads, patch, imageSize }: PretrainOptions): VitConfig => ({
  dim, depth, heads, patch, image: imageSize, hidden: 4 * dim, eps: 1e-6, mean: IMAGENET_MEAN, std: IMAGENET_STD,
});

/** Side of the crops for another ViT to learn from: the teacher sees as many patches as the student, of its own size. */
export const teacherSide = ({ imageSize, patch }: PretrainOptions, { patch: other }: VitConfig): number => (imageSize / patch) * other;

/** Why a ViT cannot be made of these options, or undefined. */
export function optionsProblem({ teacher, dim, heads, patch, imageSize, localSize }: PretrainOptions): string | undefined {
  if (dim % heads !== 0) return `a width of ${dim} is not divisible by ${heads} heads`;
  if (imageSize % patch !== 0) return `an image side of ${imageSize} is not divisible by patches of ${patch}`;
  if (teacher === undefined && localSize % patch !== 0) return `a local side of ${localSize} is not divisible by patches of ${patch}`;
  return undefined;
}

/** Whole batches of the photos: an epoch's steps. */
export const stepsPerEpoch = (photos: number, { batch }: PretrainOptions): number => Math.floor(photos / batch);
