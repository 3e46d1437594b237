/** The picture of a finished run at the structure photo's own size, with detail of both photos. Runs in a worker. */
import { addDetail, tokenMatches, type Image } from '../../../model/index.js';
import { openDevice } from './device.js';
import type { PhotoFiles } from './messages.js';
import { readPhoto } from './pictures.js';
import type { Prepared } from './plan.js';

/** Longer side of a picture: the page holds it several times, as floats. */
const MOST_SIDE = 2048;

/** A picture with detail, and the structure photo at its size. */
export interface Detailed {
  readonly picture: Image;
  readonly photo: Image;
}

/** The structure photo at the size of a picture with detail. @throws Error with the remedy */
export const fullPhoto = async ({ structure }: PhotoFiles): Promise<Image> =>
  (await readPhoto('structure photo', structure, { longer: MOST_SIDE })).image;

/**
 * Undefined when the photo has no more pixels than the result.
 * @throws Error when a photo cannot be read, and what `onProgress` throws
 */
export async function withDetail(
  { vit, structure, appearance, options: { vitSize }, files }: Prepared, result: Image, onProgress: (share: number) => void,
): Promise<Detailed | undefined> {
  const photo = await fullPhoto(files);
  if (photo.width <= result.width || photo.height <= result.height) return undefined;
  const { image: look } = await readPhoto('appearance photo', files.appearance, { most: Math.min(photo.width, photo.height) });
  const { engine } = await openDevice();
  onProgress(0);
  const matches = await tokenMatches(engine, vit, structure, appearance, vitSize);
  return { photo, picture: await addDetail(engine, { structure: photo, result, appearance: look, matches }, {}, onProgress) };
}
