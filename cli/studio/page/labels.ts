/** Label images, on the page and in its worker. */
import type { Labels } from '../../../model/method/regions.js';
import { nearestPixels } from '../../../model/nearest.js';

/** The nearest label of every pixel. */
export const scaled = (labels: Labels, { width, height }: { readonly width: number; readonly height: number }): Labels =>
  ({ width, height, data: Uint8Array.from(nearestPixels(labels, { width, height }), (at) => labels.data[at]!) });
