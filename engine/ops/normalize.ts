/** Normalisation of an image's three channels. */
import { normalizeForward } from '../../shaders/normalize.js';
import { addNode, type Op, type Tensor } from '../graph/graph.js';
import { ShapeError, showShape, sizeOf } from '../graph/shape.js';
import { threadLaunch } from './launch/pointwise.js';

/** One number per channel, red first. */
export interface Normalization {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** The overrides of a kernel that normalises what it writes. */
export const normalizationConstants = ({ mean, std }: Normalization): Record<string, number> =>
  Object.fromEntries([0, 1, 2].flatMap((c) => [[`MEAN_${c}`, mean[c]!], [`GAIN_${c}`, 1 / std[c]!]]));

export const normalizeOp: Op<Normalization> = {
  name: 'normalize',
  shapes: ([x], { mean, std }) => {
    const { shape } = x!;
    if (shape.length !== 4 || shape[1] !== 3) throw new ShapeError(`normalize: x must be [B, 3, H, W], got ${showShape(shape)}`);
    if (mean.length !== 3 || std.length !== 3) {
      throw new ShapeError(`normalize: three means and deviations for three channels: got ${showShape(mean)} and ${showShape(std)}`);
    }
    return [shape];
  },
  kernel: (node, tuning) => {
    const [, , H, W] = node.inputs[0]!.shape as [number, number, number, number];
    const N = sizeOf(node.inputs[0]!.shape);
    const { constants, ...launch } = threadLaunch(N, tuning);
    return { code: normalizeForward, constants: { ...constants, ...normalizationConstants(node.attrs) }, dims: [N, H * W], ...launch, flops: 2 * N };
  },
  // The gradient is divided alike, and the mean drops out.
  backward: (node, [dy]) => [normalize(dy!, [0, 0, 0], node.attrs.std)],
};

/** (x - mean) / std for each channel of x [B, 3, H, W]. Costs no launch of its own right after a `resize` that nothing else reads. */
export const normalize = (x: Tensor, mean: readonly number[], std: readonly number[]): Tensor => addNode(normalizeOp, [x], { mean, std });
