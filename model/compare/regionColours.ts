/** Colour distances of the regions of pictures to their partners. */
import type { Image } from '../image.js';
import type { Labels } from '../method/regions.js';
import { resampleShorterSide } from '../resample.js';
import { toLab } from './lab.js';
import { SIDE } from './pictures.js';
import { colourProfile, profileDistance, type Profile } from './wasserstein.js';

/** The colours of one region or, without `labels`, of the whole picture; undefined for a region without a pixel. */
export function regionColours(image: Image, region: number, labels?: Labels): Profile | undefined {
  const { width, height, data } = toLab(resampleShorterSide(image, SIDE));
  if (!labels) return colourProfile({ width, height, data });
  const inside: number[] = [];
  for (let i = 0; i < width * height; i++) {
    const y = Math.floor(((Math.floor(i / width) + 0.5) * labels.height) / height);
    const x = Math.floor((((i % width) + 0.5) * labels.width) / width);
    if (labels.data[y * labels.width + x] === region) inside.push(data[3 * i]!, data[3 * i + 1]!, data[3 * i + 2]!);
  }
  if (inside.length === 0) return undefined;
  return colourProfile({ width: inside.length / 3, height: 1, data: Float64Array.from(inside) });
}

/** The distance of two regions' colours, as `colour` of whole pictures; null if one has no pixel. */
export const regionDistance = (a: Profile | undefined, b: Profile | undefined): number | null =>
  (a && b ? profileDistance(a, b) : null);
