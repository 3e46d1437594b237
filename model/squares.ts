/** Squares of pictures. */
import type { Bitmap, Image, Picture } from './image.js';
import { resampled } from './resample.js';

/** The square of `side` pixels whose first pixel is at (top, left); the image itself when it is that square. */
export function window({ width, height, data }: Image, top: number, left: number, side: number): Image {
  if (width === side && height === side) return { width, height, data };
  const square = new Float32Array(3 * side * side);
  for (let c = 0; c < 3; c++) {
    for (let y = 0; y < side; y++) {
      const from = (c * height + top + y) * width + left;
      square.set(data.subarray(from, from + side), (c * side + y) * side);
    }
  }
  return { width: side, height: side, data: square };
}

/** Position and side of the largest square in the middle of a picture. */
function middle({ width, height }: Picture<unknown>): { top: number; left: number; side: number } {
  const side = Math.min(width, height);
  return { top: Math.floor((height - side) / 2), left: Math.floor((width - side) / 2), side };
}

/** The largest square in the middle of an image. */
export function centralSquare(image: Image): Image {
  const { top, left, side } = middle(image);
  return window(image, top, left, side);
}

/** The largest square in the middle of a bitmap, resampled: [3, size, size] in 0..1. */
export function middleSquare(bitmap: Bitmap, size: number): Float32Array {
  const { top, left, side } = middle(bitmap);
  return resampled(bitmap, { top, left, width: side, height: side }, size, false);
}
