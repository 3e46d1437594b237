/**
 * Texture: the sliced Wasserstein distance between the small patches of two pictures, as in GPDM (Elnekave and Weiss,
 * https://arxiv.org/abs/2203.11862), here of high frequencies alone. It compares which fine patterns occur, not where.
 */
import { conv2d, crop, reshape, type Tensor } from '../../engine/index.js';
import type { Random } from '../random.js';
import { sortedDistance } from './losses.js';

/** Side of a patch in pixels, and the number of directions along which patches are compared in a step. */
const SIDE = 7;
const COUNT = 32;
const STRIDE = 2;

/** The input of a step's directions: [COUNT, 3, SIDE, SIDE]. */
export const DIRECTIONS = 'directions';

/** A channel of a direction without its mean and its slopes along both axes: blind to flat patches and even gradients. */
function withoutPlane(channel: readonly number[]): number[] {
  const at = (i: number): [number, number] => [Math.floor(i / SIDE) - (SIDE - 1) / 2, (i % SIDE) - (SIDE - 1) / 2];
  const squares = channel.reduce((sum, _, i) => sum + at(i)[0] ** 2, 0);
  const along = (weight: (i: number) => number): number => channel.reduce((sum, v, i) => sum + v * weight(i), 0);
  const flat = along(() => 1) / channel.length;
  const [down, right] = [along((i) => at(i)[0]) / squares, along((i) => at(i)[1]) / squares];
  return channel.map((v, i) => v - flat - down * at(i)[0] - right * at(i)[1]);
}

/** Random unit directions in the space of patches, without the low frequencies: [COUNT, 3, SIDE, SIDE]. */
export function drawDirections(next: Random): Float32Array {
  const rows = Array.from({ length: COUNT }, () => {
    const row = Array.from({ length: 3 }, () => withoutPlane(Array.from({ length: SIDE ** 2 }, next.normal))).flat();
    const length = Math.hypot(...row);
    return row.map((v) => v / length);
  });
  return Float32Array.from(rows.flat());
}

/**
 * The mean Wasserstein distance between the projections of the patches of `output` and `appearance` [1, 3, H, W], each of their
 * first `side` rows and columns, along the input `directions`.
 */
export function textureLoss(output: Tensor, appearance: Tensor, side: number): Tensor {
  const directions = output.graph.input(DIRECTIONS, [COUNT, 3, SIDE, SIDE]);
  const projections = (x: Tensor): Tensor => {
    const y = conv2d(crop(x, 0, 0, side, side), directions, undefined, { stride: STRIDE, padding: 'reflect' });
    return reshape(y, [COUNT, y.shape[2]! * y.shape[3]!]);
  };
  return sortedDistance(projections(output), projections(appearance));
}
