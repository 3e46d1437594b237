/** The photos of a training on many pairs: read once, at the training size, one byte a channel, with their CLS tokens. */
import { basename, join } from 'node:path';
import type { ClsReader } from '../../model/anyPair/condition.js';
import { isOneColour, type Image } from '../../model/image.js';
import { centralSquare, window } from '../../model/squares.js';
import { random, type Random } from '../../model/random.js';
import { parseSafetensors, serializeSafetensors } from '../../model/files/safetensors.js';
import type { Weight } from '../../model/vit/config.js';
import { InputError } from '../shared/errors.js';
import { readInput, sha256, writeFileAtomic } from '../shared/files.js';
import { readPhoto } from '../photos/photo.js';
import { listPhotos } from '../photos/folder.js';

export interface TrainPhoto {
  readonly path: string;
  readonly sha256: string;
  readonly width: number;
  readonly height: number;
  readonly bytes: Uint8Array;
}

/** Photos to draw pairs from. One folder serves as both; then a photo is never paired with itself. */
export interface PhotoSet {
  readonly structures: readonly TrainPhoto[];
  readonly appearances: readonly TrainPhoto[];
}

/**
 * Photos of a folder with the shorter side `side`, upright, in the order of their names; those of a single colour are left out.
 * @throws InputError for one that cannot be read
 */
export async function readFolder(
  folder: string, side: number, onRead: (done: number, of: number) => void, onLeftOut: (path: string) => void,
  onNote: (note: string) => void,
): Promise<TrainPhoto[]> {
  const paths = await listPhotos(folder);
  const photos: TrainPhoto[] = [];
  for (const [i, path] of paths.entries()) {
    const { image, sha256: hash, note } = await readPhoto(path, { shorterSide: side });
    if (note) onNote(note);
    const { width, height, data } = image;
    if (isOneColour(image)) onLeftOut(path);
    else photos.push({ path, sha256: hash, width, height, bytes: Uint8Array.from(data, (v) => Math.round(255 * v)) });
    onRead(i + 1, paths.length);
  }
  return photos;
}

export const imageOf = ({ width, height, bytes }: TrainPhoto): Image =>
  ({ width, height, data: Float32Array.from(bytes, (v) => v / 255) });

/** A random square of full height or width. */
export function randomSquare(photo: TrainPhoto, next: Random): Image {
  const side = Math.min(photo.width, photo.height);
  const [top, left] = [next.integer(0, photo.height - side), next.integer(0, photo.width - side)];
  return window(imageOf(photo), top, left, side);
}

/** Splits off `count` photos that are never trained on, chosen by seed. @throws InputError when fewer than two are left */
export function holdOut(
  photos: readonly TrainPhoto[], count: number, seed: number, folder: string,
): { train: TrainPhoto[]; held: TrainPhoto[] } {
  if (photos.length < count + 2) {
    throw new InputError(`${folder} holds ${photos.length} photos: with --hold-out ${count} at least ${count + 2} are needed`);
  }
  const order = random(seed, 'hold-out').permutation(photos.length);
  const isHeld = new Set(order.slice(0, count));
  return { train: photos.filter((_, i) => !isHeld.has(i)), held: photos.filter((_, i) => isHeld.has(i)) };
}

/**
 * CLS tokens [layers, dim] of photos, by the photo's hash. They are kept in a file, so that a resumed run computes none twice;
 * a file of another ViT, size or recipe (`key` differs) is replaced.
 */
export async function clsTokens(
  photos: readonly TrainPhoto[], reader: ClsReader, path: string, key: string, onRead: (done: number, of: number) => void,
): Promise<Map<string, Float32Array>> {
  const kept = await readCache(path, key);
  const missing = photos.filter((p) => !kept.has(p.sha256));
  for (const [i, photo] of missing.entries()) {
    kept.set(photo.sha256, await reader.read(centralSquare(imageOf(photo))));
    onRead(i + 1, missing.length);
  }
  if (missing.length > 0) {
    const tensors = new Map([...kept].map(([hash, data]): [string, Weight] => [hash, { shape: [data.length], data }]));
    await writeFileAtomic(path, serializeSafetensors(tensors, { key }));
  }
  return kept;
}

const MAX_CACHE = 1.9e9;

/** Empty when there is no usable file: it is a cache. */
async function readCache(path: string, key: string): Promise<Map<string, Float32Array>> {
  try {
    const { tensors, metadata } = parseSafetensors(await readInput(path, MAX_CACHE));
    if (metadata.get('key') === key) return new Map([...tensors].map(([hash, { data }]) => [hash, data]));
  } catch {
    // missing or damaged
  }
  return new Map();
}

/** Identifies a set of photos by names and contents. */
export const photosHash = (photos: readonly TrainPhoto[]): string =>
  sha256(Buffer.from(photos.map((p) => `${basename(p.path)} ${p.sha256}`).join('\n')));

export const cachePath = (folder: string): string => join(folder, 'cls.safetensors');
