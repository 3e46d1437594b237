/** A sequence: a folder of numbered pictures in place of the structure photo, and the pictures that become of them. */
import { mkdir } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import type { Engine } from '../../engine/index.js';
import { holdStill, type Held } from '../../model/method/still.js';
import type { SpliceRun } from '../../model/training/pair.js';
import { writeAnimation } from '../photos/animation.js';
import { listPhotos } from '../photos/folder.js';
import { readImageText, readPhoto, writeImage, type Photo, type ReadOptions } from '../photos/photo.js';
import type { Image } from '../../model/image.js';
import { DETAIL_KEYWORD, FRAME_KEYWORD, type PngText } from '../photos/pngText.js';
import { removeTemporary, type RunFolder } from '../run/folder.js';
import type { Parts } from '../run/parts.js';
import type { Ending } from '../run/training.js';
import { InputError } from '../shared/errors.js';
import { exists, isFolder, sha256 } from '../shared/files.js';
import { withDetail, type Fine } from './detail.js';
import type { Inputs } from './inputs.js';
import { showSize, targetOf } from './output.js';
import { resultText } from './record.js';

/** As read. */
export interface Sequence {
  /** Of the frames' own, in order. */
  readonly sha256: string;
  readonly photos: readonly Photo[];
}

/** Pixels of all frames together: they are held as 32-bit numbers. */
const MOST_PIXELS = 200e6;

const numbered = new Intl.Collator('en', { numeric: true });

const nameOfFrame = (path: string): string => `${basename(path, extname(path))}.png`;

/** The pictures in a folder, frame-2 before frame-10. @throws InputError when two would get one name, or there is none */
export async function framesIn(folder: string): Promise<string[]> {
  const paths = (await listPhotos(folder)).sort((a, b) => numbered.compare(basename(a), basename(b)));
  const twice = paths.find((path, i) => paths.findIndex((other) => nameOfFrame(other) === nameOfFrame(path)) < i);
  if (twice === undefined) return paths;
  throw new InputError(`${twice}: another frame has the same name: remove one of them`);
}

/** The frames if a path is a folder, undefined for a file. @throws InputError for a folder with fewer than two */
export async function sequenceAt(path: string): Promise<readonly string[] | undefined> {
  if (!(await isFolder(path))) return undefined;
  const paths = await framesIn(path);
  if (paths.length > 1) return paths;
  throw new InputError(`${path} holds a single picture: give that file, or a folder of two or more frames`);
}

/** @throws InputError naming the frame that cannot be read or has another size than the first */
export async function readSequence(paths: readonly string[], reading: ReadOptions): Promise<Sequence> {
  const photos: Photo[] = [];
  for (const path of paths) {
    const photo = await readPhoto(path, reading);
    const first = photos[0] ?? photo;
    if (photo.width !== first.width || photo.height !== first.height) {
      const sizes = `${showSize(photo)} pixels, but ${first.path} has ${showSize(first)}`;
      throw new InputError(`${path} has ${sizes}: give all frames one size`);
    }
    photos.push(photo);
    const pixels = paths.length * photo.image.width * photo.image.height;
    if (pixels <= MOST_PIXELS) continue;
    const problem = `${paths.length} frames of ${showSize(photo.image)} are ${Math.round(pixels / 1e6)} megapixels together`;
    throw new InputError(`${path}: ${problem}: at most ${MOST_PIXELS / 1e6} are taken, use a smaller --size or fewer frames`);
  }
  return { sha256: sha256(Buffer.from(photos.map((photo) => photo.sha256).join('\n'))), photos };
}

/** Whether the file at `path` is a PNG with all of these texts. */
export async function hasTexts(path: string, texts: PngText): Promise<boolean> {
  if (!(await exists(path))) return false;
  const found = await readImageText(path).catch((): PngText => ({}));
  return Object.entries(texts).every(([name, text]) => found[name] === text);
}

/**
 * Writes every frame's picture into `frames/`, those that are not there yet, and all of them as an animation into `frames.webp`.
 * Returns whether it came to the end.
 */
export async function writeSequence(
  inputs: Inputs, run: SpliceRun, { signal, onProgress }: Ending,
  { engine, folder, parts }: { readonly engine: Engine; readonly folder: RunFolder; readonly parts: Parts },
): Promise<boolean> {
  const { photos } = inputs.sequence!;
  const [texts, paths] = [resultText(inputs, { steps: run.stepsDone, first: folder.log.first() }), [] as string[]];
  await mkdir(folder.at('frames'), { recursive: true });
  await removeTemporary(folder.at('frames'));
  let held: Held | undefined;
  for (const [i, photo] of photos.entries()) {
    if (signal.aborted) return false;
    onProgress(i / photos.length, `frame ${i + 1} of ${photos.length}`);
    const [path, own] = [folder.at(join('frames', nameOfFrame(photo.path))), { ...texts, [FRAME_KEYWORD]: photo.sha256 }];
    paths.push(path);
    held = holdStill(held, { frame: photo.image, result: await run.result(i) });
    if (await hasTexts(path, own)) continue;
    const { picture, detail } = await fineFrame(inputs, photo, held.result, engine, parts);
    await writeImage(path, picture, { ...own, ...(detail && { [DETAIL_KEYWORD]: JSON.stringify(detail) }) });
  }
  await writeAnimation(folder.at('frames.webp'), paths);
  return true;
}

/** A frame's picture, with detail as that of the first. */
async function fineFrame(
  { options, appearance, model: { vit } }: Inputs, structure: Photo, result: Image, engine: Engine, parts: Parts,
): Promise<Pick<Fine, 'picture'> & Partial<Fine>> {
  const target = targetOf(options, structure, result);
  if (!target) return { picture: result };
  const seeing = { vit, vitSize: options.splice.vitSize };
  return withDetail(engine, parts, { result, structure, appearance, target, strength: options.detail ?? 0, seeing });
}
