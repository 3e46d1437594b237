/** Bicubic resampling on the CPU: for figures and maps, whose numbers must not depend on a device. */
import type { Image } from './image.js';

/** The sources of an output along an axis: `weights` from index `first` on. */
export interface Taps {
  readonly first: number;
  readonly weights: readonly number[];
}

/** Keys' cubic with a = -0.5 at distance x (https://doi.org/10.1109/TASSP.1981.1163711), which PyTorch and Pillow antialias with. */
function cubic(distance: number): number {
  const [a, x] = [-0.5, Math.abs(distance)];
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

/** Of each of `to` outputs from `from` inputs. The filter is stretched by the reduction; weights beyond the border are left out and the rest made to sum to 1. */
export function tapsOf(from: number, to: number): Taps[] {
  const step = from / to;
  const stretch = Math.max(step, 1);
  return Array.from({ length: to }, (_, i) => {
    const centre = step * (i + 0.5);
    const first = Math.max(0, Math.trunc(centre - 2 * stretch + 0.5));
    const end = Math.min(from, Math.trunc(centre + 2 * stretch + 0.5));
    const weights = Array.from({ length: end - first }, (_, j) => cubic((first + j - centre + 0.5) / stretch));
    const total = weights.reduce((sum, w) => sum + w, 0);
    return { first, weights: weights.map((w) => w / total) };
  });
}

/**
 * `image` at another size, as PyTorch's `F.interpolate(mode='bicubic', antialias=True, align_corners=False)`, clamped to 0..1; the image
 * itself when the size is its own.
 */
export function resample(image: Image, width: number, height: number): Image {
  if (image.width === width && image.height === height) return image;
  const [columns, rows] = [tapsOf(image.width, width), tapsOf(image.height, height)];
  const data = new Float32Array(3 * width * height);
  const narrow = new Float64Array(width * image.height);
  for (let c = 0; c < 3; c++) {
    const plane = image.data.subarray(c * image.width * image.height);
    for (let y = 0; y < image.height; y++) {
      columns.forEach(({ first, weights }, x) => {
        let sum = 0;
        for (let j = 0; j < weights.length; j++) sum += weights[j]! * plane[y * image.width + first + j]!;
        narrow[y * width + x] = sum;
      });
    }
    rows.forEach(({ first, weights }, y) => {
      for (let x = 0; x < width; x++) {
        let sum = 0;
        for (let j = 0; j < weights.length; j++) sum += weights[j]! * narrow[(first + j) * width + x]!;
        data[(c * height + y) * width + x] = Math.min(1, Math.max(0, sum));
      }
    });
  }
  return { width, height, data };
}

/** `image` with its shorter side brought to `side`, the longer one rounded. */
export function resampleShorterSide(image: Image, side: number): Image {
  const k = side / Math.min(image.width, image.height);
  return resample(image, Math.max(side, Math.round(image.width * k)), Math.max(side, Math.round(image.height * k)));
}
