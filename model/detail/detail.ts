/**
 * Detail at full size: a result that was trained small, at the structure photo's own size. The result itself stays: only what is
 * finer than it can hold is added, from the structure photo through a guided filter's gain and from the appearance photo by
 * nearest patches.
 */
import type { Image } from '../image.js';
import { resample } from '../resample.js';
import type { Computing } from '../runOnce.js';
import { compose } from './compose.js';
import type { TokenMatches } from './matches.js';
import { defaultDetail, detailWeights, type DetailOptions } from './options.js';
import { withTexture } from './texture.js';

export interface DetailInputs {
  /** The structure photo at full size, which the picture gets. */
  readonly structure: Image;
  /** The trained result of the whole structure photo. */
  readonly result: Image;
  /** The appearance photo at full size. It is reduced until the shorter sides of both photos agree. */
  readonly appearance: Image;
  /** Restrict the texture of a region to the parts of the appearance that match it; without, it comes from everywhere. */
  readonly matches?: TokenMatches | undefined;
}

/** The share of the whole work that is spent on texture. */
const TEXTURE_WORK = 0.8;
const scaled = (image: Image, band: number): Image =>
  resample(image, Math.max(1, Math.round(image.width / band)), Math.max(1, Math.round(image.height / band)));

/**
 * `result` at the size of `structure`, with detail. `onProgress` gets the work done so far, 0 to 1. The same inputs give the same
 * bytes on the same device; the size of tiles changes rounding only. A result that is as large as the structure photo, or larger
 * along an axis, has nothing to add and is only resized.
 * @throws RangeError for an amount outside 0..1 or a band below 1
 */
export async function addDetail(
  engine: Computing, { structure, result, appearance, matches }: DetailInputs, options: Partial<DetailOptions> = {},
  onProgress?: (share: number) => void,
): Promise<Image> {
  const { width, height } = structure;
  const { band, radius, eps, keys, tile } = { ...defaultDetail, ...options };
  const weights = detailWeights(Math.min(result.width, result.height), options);
  if (!(band >= 1)) throw new RangeError(`detail: the band must be at least 1, got ${band}`);
  const low = scaled(result, band);
  const nothing = weights.gain === 0 && weights.texture === 0;
  if (nothing || result.width >= width || result.height >= height) return resample(result, width, height);
  let done = 0;
  const onPart = (share: number): void => onProgress?.(Math.min(1, (done += share)));
  const onTexture = (share: number): void => onPart(TEXTURE_WORK * share);
  const texture = weights.texture === 0
    ? undefined
    : await withTexture(engine, low, appearance, [height, width], { matches, keys }, onTexture);
  const rest = 1 - done;
  const layers = {
    structure, result, low, lowStructure: resample(structure, low.width, low.height),
    texture: texture && resample(texture, width, height),
  };
  return compose(engine, layers, { ...weights, radius, eps, tile }, (share) => onPart(rest * share));
}
