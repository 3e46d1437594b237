/** Pictures side by side. */
import type { Image } from '../../model/image.js';
import { resizeImage } from './photo.js';

/** Structure, result and appearance at the result's height, on white with narrow gaps. */
export const triptych = (structure: Image, result: Image, appearance: Image): Promise<Image> => sideBySide([structure, result, appearance], result.height);

/** Pictures brought to one height, on white with narrow gaps. */
export async function sideBySide(images: readonly Image[], height: number): Promise<Image> {
  const pictures = await Promise.all(images.map((image) => toHeight(image, height)));
  const gap = Math.max(2, Math.round(height / 64));
  const width = pictures.reduce((sum, picture) => sum + picture.width, gap * (pictures.length - 1));
  const data = new Float32Array(3 * width * height).fill(1);
  let left = 0;
  for (const picture of pictures) {
    for (let row = 0; row < 3 * height; row++) {
      data.set(picture.data.subarray(row * picture.width, (row + 1) * picture.width), row * width + left);
    }
    left += picture.width + gap;
  }
  return { width, height, data };
}

const toHeight = async (image: Image, height: number): Promise<Image> =>
  image.height === height ? image : resizeImage(image, { width: Math.max(1, Math.round((image.width * height) / image.height)), height });
