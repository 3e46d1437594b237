/** Bicubic resampling on the CPU: for figures, maps and crops, whose numbers must not depend on a device. */
import type { Bitmap, Image } from './image.js';

/** The sources of an output along an axis: `weights` from index `first` on. */
export interface Taps {
  readonly first: number;
  readonly weights: readonly number[];
}

/** In pixels. */
export type Box = Readonly<Record<'left' | 'top' | 'width' | 'height', number>>;

/** Keys' cubic convolution (https://doi.org/10.1109/TASSP.1981.1163711). PyTorch and Pillow antialias with a = -0.5. */
export function cubic(distance: number, a = -0.5): number {
  const x = Math.abs(distance);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

/** Taps of each of `to` outputs from `from` inputs. A reduction stretches the filter. The weights inside the border sum to 1. */
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
 * `box` of a picture with values of 0 to `largest`: each channel filtered along its rows, into `narrow`, then along its columns,
 * [3, rows, columns] in 0..1.
 */
function filtered(
  { width, height, data }: Image | Bitmap, box: Box, largest: number,
  columns: readonly Taps[], rows: readonly Taps[], narrow: Float32Array | Float64Array,
): Float32Array {
  const [w, h] = [columns.length, rows.length];
  const out = new Float32Array(3 * w * h);
  for (let c = 0; c < 3; c++) {
    for (let y = 0; y < box.height; y++) {
      const start = (c * height + box.top + y) * width + box.left;
      for (let x = 0; x < w; x++) {
        const { first, weights } = columns[x]!;
        let sum = 0;
        for (let k = 0; k < weights.length; k++) sum += weights[k]! * data[start + first + k]!;
        narrow[y * w + x] = sum;
      }
    }
    for (let y = 0; y < h; y++) {
      const { first, weights } = rows[y]!;
      for (let x = 0; x < w; x++) {
        let sum = 0;
        for (let k = 0; k < weights.length; k++) sum += weights[k]! * narrow[(first + k) * w + x]!;
        out[(c * h + y) * w + x] = Math.min(1, Math.max(0, sum / largest));
      }
    }
  }
  return out;
}

/** As PyTorch's `F.interpolate(mode='bicubic', antialias=True, align_corners=False)`, in 0..1; not a copy at the same size. */
export function resample(image: Image, width: number, height: number): Image {
  if (image.width === width && image.height === height) return image;
  const box = { left: 0, top: 0, width: image.width, height: image.height };
  const narrow = new Float64Array(width * image.height);
  return { width, height, data: filtered(image, box, 1, tapsOf(image.width, width), tapsOf(image.height, height), narrow) };
}

/** `image` with its shorter side brought to `side`, the longer one rounded. */
export function resampleShorterSide(image: Image, side: number): Image {
  const k = side / Math.min(image.width, image.height);
  return resample(image, Math.max(side, Math.round(image.width * k)), Math.max(side, Math.round(image.height * k)));
}

/** `box` of a bitmap, bicubic and antialiased, mirrored if `flip`: [3, side, side] in 0..1. */
export function resampled(bitmap: Bitmap, box: Box, side: number, flip: boolean): Float32Array {
  const columns = tapsOf(box.width, side);
  if (flip) columns.reverse();
  return filtered(bitmap, box, 255, columns, tapsOf(box.height, side), new Float32Array(box.height * side));
}
