/** Colour distances of the regions of pictures to their partners. */
import type { Image } from '../image.js';
import type { Labels } from '../method/regions.js';
import { nearestPixels } from '../nearest.js';
import { resampleShorterSide } from '../resample.js';
import { toLab } from './lab.js';
import { SIDE } from './pictures.js';
import { colourProfile, profileDistance, type Profile } from './wasserstein.js';

/** The colours of one region or, without `labels`, of the whole picture; undefined for a region without a pixel. */
export function regionColours(image: Image, region: number, labels?: Labels): Profile | undefined {
  const { width, height, data } = toLab(resampleShorterSide(image, SIDE));
  if (!labels) return colourProfile({ width, height, data });
  const inside: number[] = [];
  nearestPixels(labels, { width, height }).forEach((at, i) => {
    if (labels.data[at] === region) inside.push(data[3 * i]!, data[3 * i + 1]!, data[3 * i + 2]!);
  });
  if (inside.length === 0) return undefined;
  return colourProfile({ width: inside.length / 3, height: 1, data: Float64Array.from(inside) });
}

/** The distance of two regions' colours, as `colour` of whole pictures; null if one has no pixel. */
export const regionDistance = (a: Profile | undefined, b: Profile | undefined): number | null =>
  (a && b ? profileDistance(a, b) : null);
