/** Folders of photos. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bitmap } from '../../model/image.js';
import { fileProblem, InputError } from '../shared/errors.js';
import { readImage } from './photo.js';

const PHOTO = /\.(png|jpe?g|webp|avif)$/i;

/** Paths of the photos directly inside a folder, by name. @throws InputError when it cannot be read or holds none */
export async function listPhotos(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    const problem = error.code === 'ENOTDIR' ? 'is a file: give a folder of photos' : fileProblem(error);
    throw new InputError(`${folder} ${problem}`, { cause: error });
  });
  const photos = names.filter((name) => PHOTO.test(name) && !name.startsWith('.')).sort();
  if (photos.length === 0) throw new InputError(`${folder} holds no photos (PNG, JPEG, WebP or AVIF): give another folder`);
  return photos.map((name) => join(folder, name));
}

/**
 * Photos of one byte a channel, scaled down if the shorter side is above `side`.
 * @throws InputError for one that cannot be read
 */
export async function readBitmaps(paths: readonly string[], side: number, onRead?: (done: number) => void): Promise<Bitmap[]> {
  const bitmaps: Bitmap[] = [];
  for (const path of paths) {
    const { width, height, data } = await readImage(path, { atMost: side });
    bitmaps.push({ width, height, data: Uint8Array.from(data, (value) => Math.round(255 * value)) });
    onRead?.(bitmaps.length);
  }
  return bitmaps;
}
