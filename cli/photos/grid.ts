/** Pictures in rows and columns, on white. */
import type { Image } from '../../model/image.js';
import { resizeImage } from './photo.js';

export const blank = (width: number, height: number): Image =>
  ({ width, height, data: new Float32Array(3 * width * height).fill(1) });

/** Copies `part` into `image`, its top left corner at `left`, `top`. */
export function paste(image: Image, part: Image, left: number, top: number): void {
  for (let row = 0; row < 3 * part.height; row++) {
    const [c, y] = [Math.floor(row / part.height), row % part.height];
    const to = (c * image.height + top + y) * image.width + left;
    image.data.set(part.data.subarray(row * part.width, (row + 1) * part.width), to);
  }
}

/** Scales a picture to a height; its proportions stay. */
export async function toHeight(image: Image, height: number): Promise<Image> {
  const width = Math.max(1, Math.round((image.width * height) / image.height));
  return image.height === height ? image : resizeImage(image, { width, height });
}

/** Start of each part when parts of these sizes follow each other with gaps, and as a last entry the start of one more. */
export const starts = (sizes: readonly number[], gap: number): number[] =>
  sizes.reduce((all, size) => [...all, all.at(-1)! + size + gap], [0]);

/** A grid whose columns are as wide, and rows as high, as their largest picture; `undefined` leaves a place empty. */
export function grid(rows: readonly (readonly (Image | undefined)[])[], gap = 2): Image {
  const columns = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, c) => Math.max(...rows.map((row) => row[c]?.width ?? 0)));
  const heights = rows.map((row) => Math.max(...row.map((image) => image?.height ?? 0)));
  const [lefts, tops] = [starts(widths, gap), starts(heights, gap)];
  const whole = blank(lefts.at(-1)! - gap, tops.at(-1)! - gap);
  rows.forEach((row, r) => row.forEach((image, c) => image && paste(whole, image, lefts[c]!, tops[r]!)));
  return whole;
}

/** Pictures scaled to one height, with narrow gaps. */
export const sideBySide = async (images: readonly Image[], height: number): Promise<Image> =>
  grid([await Promise.all(images.map((image) => toHeight(image, height)))], Math.max(2, Math.round(height / 64)));

/** Structure, result and appearance at the result's height. */
export const triptych = (structure: Image, result: Image, appearance: Image): Promise<Image> =>
  sideBySide([structure, result, appearance], result.height);
