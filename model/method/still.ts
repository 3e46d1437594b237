/** Sequences: where two neighbouring frames are equal, their results are to be equal too. */
import { abs, add, mean, mul, scale, sigmoid, sub, type Tensor } from '../../engine/index.js';
import type { Image } from '../image.js';

/** Values of two frames that differ by less, of 0..1, are equal; the weight falls from 1 to 0 about there. */
const TOLERANCE = 4 / 255;
const STEEPNESS = 6 / TOLERANCE;

/**
 * The mean difference of the results x and y of the frames a and b, [1, 3, H, W] each, where these are equal. No motion is
 * looked for: what moves is left to the other losses.
 */
export function stillLoss(x: Tensor, y: Tensor, a: Tensor, b: Tensor): Tensor {
  const bias = x.graph.constant(Float32Array.of(STEEPNESS * TOLERANCE));
  const isStill = sigmoid(add(scale(abs(sub(a, b)), -STEEPNESS), bias));
  return mean(mul(abs(sub(x, y)), isStill));
}

/** The frame after one of `count`, or before the last. */
export const neighbourOf = (frame: number, count: number): number => (frame + 1 < count ? frame + 1 : frame - 1);

/** A frame and its result, as they are shown. */
export interface Held {
  readonly frame: Image;
  readonly result: Image;
}

/**
 * The next frame and its result, with what came before where the frame is as it was: a pixel whose channels differ by at most
 * the tolerance stays, one that differs by twice as much or more is new, and between these it is a mixture. The frame that is
 * compared with is held as well, so slow changes are not lost.
 */
export function holdStill(before: Held | undefined, { frame, result }: Held): Held {
  if (!before) return { frame, result };
  const { width, height } = frame;
  const plane = width * height;
  const [held, shown] = [frame.data.slice(), result.data.slice()];
  for (let i = 0; i < plane; i++) {
    const places = [i, plane + i, 2 * plane + i];
    const change = Math.max(...places.map((k) => Math.abs(frame.data[k]! - before.frame.data[k]!)));
    const kept = Math.min(1, Math.max(0, 2 - change / TOLERANCE));
    for (const k of places) {
      held[k] = held[k]! + kept * (before.frame.data[k]! - held[k]!);
      shown[k] = shown[k]! + kept * (before.result.data[k]! - shown[k]!);
    }
  }
  return { frame: { width, height, data: held }, result: { width, height, data: shown } };
}
