/** Strength: between the structure photo and the result, and beyond it, without training again. */
import { mkdir, rm } from 'node:fs/promises';
import type { Glance } from '../../model/compare/pictures.js';
import { blended, type Image } from '../../model/image.js';
import { sideBySide } from '../photos/grid.js';
import { shorterSide, writeImage, type Photo, type Size } from '../photos/photo.js';
import { STRENGTH_KEYWORD, type PngText } from '../photos/pngText.js';
import type { RunFolder } from '../run/folder.js';

/** A strength and the figures of its picture. */
export type StrengthFigures = { readonly strength: number } & Glance;

/** Height of the pictures in strip.png at most. */
const STRIP_HEIGHT = 512;

/** Writes `strength/S.png` for each of `strengths`, and all of them side by side in `strip.png`. Returns their figures. */
export async function writeStrengths(
  strengths: readonly number[], structure: Photo, result: Image, target: Size | undefined, text: PngText,
  { folder, glance }: { readonly folder: RunFolder; readonly glance: (picture: Image) => Glance },
): Promise<StrengthFigures[]> {
  const photo = target ? await structure.again({ shorterSide: shorterSide(target) }) : structure.image;
  await rm(folder.at('strength'), { recursive: true, force: true });
  await mkdir(folder.at('strength'), { recursive: true });
  const pictures = strengths.map((strength) => blended(photo, result, strength));
  for (const [i, strength] of strengths.entries()) {
    await writeImage(folder.at(`strength/${strength}.png`), pictures[i]!, { ...text, [STRENGTH_KEYWORD]: String(strength) });
  }
  await writeImage(folder.at('strip.png'), await sideBySide(pictures, Math.min(STRIP_HEIGHT, result.height)));
  return strengths.map((strength, i) => ({ strength, ...glance(pictures[i]!) }));
}
