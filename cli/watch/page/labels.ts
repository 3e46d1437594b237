/** Label images, on pages and in the studio's worker. */
import type { Picture } from '../../../model/image.js';
import { nearestPixels } from '../../../model/nearest.js';

/** The region of every pixel: 0 for none, else its number from 1 on. */
export type Labels = Picture<Uint8Array>;

/** Label images of the two photos, of any size. */
export interface Brushed {
  readonly structure: Labels;
  readonly appearance: Labels;
}

/** The nearest label of every pixel. */
export const scaled = (labels: Labels, { width, height }: { readonly width: number; readonly height: number }): Labels =>
  ({ width, height, data: Uint8Array.from(nearestPixels(labels, { width, height }), (at) => labels.data[at]!) });
