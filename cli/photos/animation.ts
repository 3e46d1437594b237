/** Pictures as an animation. */
import sharp from 'sharp';
import { writeFileAtomic } from '../shared/files.js';

/** Shorter side at most, and milliseconds of a frame: an animation is for a look. */
const SIDE = 360;
const DELAY = 42;

/** An endless animated WebP of PNGs of one size, reduced to a shorter side of 360 pixels if they are larger. */
export async function writeAnimation(path: string, frames: readonly string[]): Promise<void> {
  const { width, height } = await sharp(frames[0]!).metadata();
  const scale = Math.min(1, SIDE / Math.min(width, height));
  const size = { width: Math.round(width * scale), height: Math.round(height * scale) };
  const pages: Buffer[] = [];
  for (const frame of frames) pages.push(await sharp(frame).resize({ ...size, fit: 'fill' }).removeAlpha().raw().toBuffer());
  const raw = { width: size.width, height: size.height * pages.length, channels: 3 as const, pageHeight: size.height };
  const delay = pages.map(() => DELAY);
  await writeFileAtomic(path, await sharp(Buffer.concat(pages), { raw }).webp({ quality: 90, delay, loop: 0 }).toBuffer());
}
