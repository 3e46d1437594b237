/**
 * Settings of a pretraining: self-distillation (DINO: Caron et al., "Emerging Properties in Self-Supervised Vision Transformers",
 * ICCV 2021), or learning from another ViT.
 */
import { IMAGENET_MEAN, IMAGENET_STD, type VitConfig } from '../vit/config.js';

/** Everything that decides a pretraining's numbers; together with the photos it repeats the run. */
export interface PretrainOptions {
  /** A ViT to learn from, by name or file, instead of its own average. Then `selfDistillationOnly` has no effect. */
  readonly teacher?: string;
  /** With a teacher: crops of a photo, after which they come again, with the teacher's answers kept. 0: always new ones. */
  readonly views: number;
  /** With a teacher: share of the crops that are blended with another photo's. */
  readonly mixup: number;
  /** With a teacher: sides in pixels at which the student sees every crop, besides `imageSize`. */
  readonly otherSizes: readonly number[];
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
  readonly batch: number;
  readonly epochs: number;
  readonly seed: number;
  /** Width of the projection head's two hidden layers, of its bottleneck, and number of its outputs. */
  readonly headHidden: number;
  readonly bottleneck: number;
  readonly prototypes: number;
  /** Learning rate for 256 photos per step, scaled to `batch`: from 0 over `warmupEpochs`, then by a cosine to `minLr`. */
  readonly lr: number;
  readonly minLr: number;
  readonly warmupEpochs: number;
  /** Weight decay at the start and at the end; it changes along a cosine. */
  readonly weightDecay: number;
  readonly weightDecayEnd: number;
  /** Limit of the gradient's length, of all parameters together. */
  readonly clip: number;
  /** Share of itself that the teacher keeps in a step; rises to 1 along a cosine. */
  readonly momentum: number;
  /** Temperature of the teacher: rises linearly from the first to the second over `teacherWarmupEpochs`. */
  readonly teacherTempStart: number;
  readonly teacherTemp: number;
  readonly teacherWarmupEpochs: number;
  readonly studentTemp: number;
  /** Share of itself that the centre of the teacher's outputs keeps in a step. */
  readonly centerMomentum: number;
  /** Epochs in which the last layer is fixed. */
  readonly freezeLastLayer: number;
  /** Smallest and largest share of a photo's area in a crop. */
  readonly globalScale: readonly [number, number];
  readonly localScale: readonly [number, number];
}

/** The paper's settings, except for sizes, which are of a small model for a slow machine. */
export const pretrainDefaults: PretrainOptions = {
  views: 0, mixup: 0, otherSizes: [],
  dim: 128, depth: 6, heads: 4, patch: 8, imageSize: 64, localSize: 32, locals: 4, batch: 16, epochs: 100, seed: 1,
  headHidden: 512, bottleneck: 128, prototypes: 2048,
  lr: 0.0005, minLr: 1e-6, warmupEpochs: 10, weightDecay: 0.04, weightDecayEnd: 0.4, clip: 3,
  momentum: 0.996, teacherTempStart: 0.04, teacherTemp: 0.07, teacherWarmupEpochs: 30, studentTemp: 0.1, centerMomentum: 0.9,
  freezeLastLayer: 1, globalScale: [0.4, 1], localScale: [0.05, 0.4],
};

/** Options without effect when there is another ViT to learn from. */
export const selfDistillationOnly = [
  'localSize', 'locals', 'localScale', 'headHidden', 'bottleneck', 'prototypes', 'momentum', 'teacherTempStart', 'teacherTemp',
  'teacherWarmupEpochs', 'studentTemp', 'centerMomentum', 'freezeLastLayer',
] as const satisfies readonly (keyof PretrainOptions)[];

/** Defaults for learning from another ViT: its targets do not change, so that steps can be large early. */
export const distillationDefaults: PretrainOptions = {
  ...pretrainDefaults, lr: 0.016, warmupEpochs: 2, weightDecay: 0.05, weightDecayEnd: 0.05, globalScale: [0.3, 1],
};

export const vitConfigOf = ({ dim, depth, heads, patch, imageSize }: PretrainOptions): VitConfig => ({
  dim, depth, heads, patch, image: imageSize, hidden: 4 * dim, eps: 1e-6, mean: IMAGENET_MEAN, std: IMAGENET_STD,
});

/** Sides in pixels at which a student sees a photo's crop; of a student without a teacher, the side of its global crops. */
export const studentSides = ({ imageSize, otherSizes }: PretrainOptions): number[] => [...new Set([imageSize, ...otherSizes])];

/** The side at which the teacher sees what the student sees at `side`: in the same number of patches, of its own size. */
export const teacherSide = (side: number, { patch }: PretrainOptions, teacher: VitConfig): number =>
  (side / patch) * teacher.patch;

/** Side of the crops when learning from another ViT: none sees them larger. */
export const cropSide = (options: PretrainOptions, teacher: VitConfig): number =>
  teacherSide(Math.max(...studentSides(options)), options, teacher);

/** The reason why these options make no ViT, or undefined. */
export function optionsProblem(options: PretrainOptions): string | undefined {
  const { teacher, dim, heads, patch, localSize } = options;
  if (dim % heads !== 0) return `a width of ${dim} is not divisible by ${heads} heads`;
  const inPatches = `is not divisible by patches of ${patch}`;
  const odd = studentSides(options).find((side) => side % patch !== 0);
  if (odd !== undefined) return `an image side of ${odd} ${inPatches}`;
  return teacher === undefined && localSize % patch !== 0 ? `a local side of ${localSize} ${inPatches}` : undefined;
}

/** To begin with instead of given weights: the teacher's first blocks. */
export const FROM_TEACHER = 'teacher' as const;

/** The reason why a student with these options cannot begin with the first blocks of a teacher, or undefined. */
export function firstBlocksProblem(options: PretrainOptions, teacher: VitConfig): string | undefined {
  const { dim, heads, depth, patch, hidden, activation = 'gelu' } = teacher;
  const own = vitConfigOf(options);
  const more = teacher.preNorm || teacher.registers || teacher.positions || teacher.registerNeurons || teacher.gated;
  if (more || activation !== 'gelu' || hidden !== 4 * dim) {
    return 'it has parts that students lack, such as registers: choose a plain ViT';
  }
  if (own.dim !== dim || own.heads !== heads) {
    return `its blocks are ${dim} wide with ${heads} heads: give --dim ${dim} --heads ${heads}`;
  }
  if (own.depth > depth) return `it has ${depth} blocks: give a --depth of at most ${depth}`;
  return own.patch > patch ? `its patches have ${patch} pixels: give a --patch of at most ${patch}` : undefined;
}

/** Whole batches of the photos: an epoch's steps. */
export const stepsPerEpoch = (photos: number, { batch }: PretrainOptions): number => Math.floor(photos / batch);
