/** Normalisation of an image's three channels. */
import { normalizeForward } from '../../shaders/normalize.js';
import { addNode, ShapeError, showShape, sizeOf, type Op, type Shape4, type Tensor } from '../graph/index.js';
import { threadLaunch } from './launch/pointwise.js';

/** One number per channel, red first. */
export interface Normalization {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** The overrides of a kernel that normalises its output. */
export const normalizationConstants = ({ mean, std }: Normalization): Record<string, number> =>
  Object.fromEntries([0, 1, 2].flatMap((c) => [[`MEAN_${c}`, mean[c]!], [`GAIN_${c}`, 1 / std[c]!]]));

/** For ops that absorb it. */
export const normalizeOp: Op<Normalization> = {
  name: 'normalize',
  shapes: ([x], { mean, std }) => {
    const { shape } = x!;
    if (shape.length !== 4 || shape[1] !== 3) throw new ShapeError(`normalize: x must be [B, 3, H, W], got ${showShape(shape)}`);
    if (mean.length === 3 && std.length === 3) return [shape];
    throw new ShapeError(`normalize: mean and std must have three numbers: got ${showShape(mean)} and ${showShape(std)}`);
  },
  kernel: ({ inputs: [x], attrs }, tuning) => {
    const [, , H, W] = x!.shape as Shape4;
    const N = sizeOf(x!.shape);
    const { constants, ...launch } = threadLaunch(N, tuning, [H * W]);
    return { code: normalizeForward, constants: { ...constants, ...normalizationConstants(attrs) }, ...launch, flops: 2 * N };
  },
  // The gradient is divided by std too; the mean has none.
  backward: ({ attrs: { std } }, [dy]) => [normalize(dy!, [0, 0, 0], std)],
};

/**
 * (x - mean) / std for each channel of x [B, 3, H, W]. Right after a `resize` that no other node reads it needs no launch.
 * @throws ShapeError when x is not [B, 3, H, W], or mean or std does not have three numbers
 */
export const normalize = (x: Tensor, mean: readonly number[], std: readonly number[]): Tensor =>
  addNode(normalizeOp, [x], { mean, std });
