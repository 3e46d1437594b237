/** Folders of photos, for everything that looks at many. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bitmap } from '../../model/pretraining/augment.js';
import type { Image } from '../../model/image.js';
import { fileProblem, InputError } from '../shared/errors.js';
import { readImage } from './photo.js';

const PHOTO = /\.(png|jpe?g|webp|avif)$/i;

/** Paths of the photos right inside a folder, by name. @throws InputError when it cannot be read or holds none */
export async function listPhotos(folder: string): Promise<string[]> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    const isFile = (error as NodeJS.ErrnoException).code === 'ENOTDIR';
    throw new InputError(isFile ? `${folder} is a file: give a folder of photos` : `${folder} ${fileProblem(error)}`, { cause: error });
  }
  const photos = names.filter((name) => PHOTO.test(name) && !name.startsWith('.')).sort();
  if (photos.length === 0) throw new InputError(`${folder} holds no photos (PNG, JPEG, WebP or AVIF): give another folder`);
  return photos.map((name) => join(folder, name));
}

/** Photos with the shorter side brought down to at most `side`, one byte a channel. @throws InputError for one that cannot be read */
export async function readBitmaps(paths: readonly string[], side: number, onRead: (done: number) => void = () => undefined): Promise<Bitmap[]> {
  const bitmaps: Bitmap[] = [];
  for (const path of paths) {
    const image = await readImage(path);
    bitmaps.push(toBitmap(Math.min(image.width, image.height) > side ? await readImage(path, { shorterSide: side }) : image));
    onRead(bitmaps.length);
  }
  return bitmaps;
}

const toBitmap = ({ width, height, data }: Image): Bitmap => ({ width, height, data: Uint8Array.from(data, (v) => Math.round(255 * v)) });
