/** Photos in, pictures out. */
import sharp from 'sharp';
import type { Image } from '../../model/image.js';
import { InputError } from '../shared/errors.js';
import { readInput, sha256, writeFileAtomic } from '../shared/files.js';
import { decodePng, encodePng, pngSize, type Pixels } from './png.js';
import { addPngText, readPngText, type PngText } from './pngText.js';
import { sniff, type PhotoFormat } from './sniff.js';

export interface ReadOptions {
  /** Resizes (Lanczos, antialiased) until the shorter side has this many pixels. Default: the size in the file. */
  readonly shorterSide?: number | undefined;
  /** The same, only for photos whose shorter side has more pixels. */
  readonly atMost?: number;
}

/** A photo as read, and what identifies its file. */
export interface Photo {
  readonly path: string;
  readonly sha256: string;
  readonly format: PhotoFormat;
  /** Size in the file, upright. */
  readonly width: number;
  readonly height: number;
  /** At the size that is used. */
  readonly image: Image;
}

/** More than the photo of any camera needs; a decoded picture takes at most 384 MB. */
const MAX_PIXELS = 64e6;
const MAX_BYTES = 512e6;

type Size = Pick<Image, 'width' | 'height'>;

/** @throws InputError: one line with the file, what was found and the remedy */
export const readImage = async (path: string, options?: ReadOptions): Promise<Image> => (await readPhoto(path, options)).image;

/** Like `readImage`, with facts about the file. */
export async function readPhoto(path: string, { shorterSide, atMost = Infinity }: ReadOptions = {}): Promise<Photo> {
  const bytes = await readInput(path, MAX_BYTES);
  const kind = sniff(bytes);
  if (!kind.format) throw new InputError(`${path} is not a photo but ${kind.found}: save it as PNG, JPEG, WebP or AVIF`);
  const pixels = await decode(path, bytes, kind.format);
  const { width, height } = pixels;
  const side = shorterSide ?? (Math.min(width, height) > atMost ? atMost : undefined);
  const used = side === undefined ? pixels : await toShorterSide(path, pixels, side);
  return { path, sha256: sha256(bytes), format: kind.format, width, height, image: toImage(used) };
}

/**
 * Whether all pixels are equal to within one step of eight bits. Batch norm divides by the spread of its input: trained on such a
 * picture, gradients grow layer by layer until they are not finite.
 */
export function isOneColour({ width, height, data }: Image): boolean {
  const plane = width * height;
  return [0, 1, 2].every((c) => {
    const channel = data.subarray(c * plane, (c + 1) * plane);
    return channel.every((value) => Math.abs(value - channel[0]!) <= 1 / 255);
  });
}

/** An 8-bit RGB PNG with `text` inside; values outside 0..1 are clamped. */
export const writeImage = (path: string, image: Image, text: PngText = {}): Promise<void> =>
  writeFileAtomic(path, addPngText(encodeImage(image), text));

/** The bytes of such a PNG without text. */
export const encodeImage = (image: Image): Buffer => encodePng(toPixels(image));

/** The texts inside a PNG, none in other formats. @throws InputError when the file cannot be read */
export const readImageText = async (path: string): Promise<PngText> => readPngText(await readInput(path, MAX_BYTES));

/** Lanczos, antialiased, through 8 bits: for viewing, not for training. */
export const resizeImage = async (image: Image, size: Size): Promise<Image> => toImage(await resize(toPixels(image), size));

async function decode(path: string, bytes: Buffer, format: PhotoFormat): Promise<Pixels> {
  try {
    checkPixels(path, format === 'png' ? pngSize(bytes) : await sharp(bytes, { limitInputPixels: false }).metadata());
    return format === 'png' ? decodePng(bytes) : await decodeWithSharp(bytes);
  } catch (error) {
    if (error instanceof InputError) throw error;
    const reason = (error as Error).message.split('\n').at(-1)!.trim();
    const problem = `is a damaged or truncated ${format.toUpperCase()} (${reason})`;
    throw new InputError(`${path} ${problem}: copy or export it again`, { cause: error });
  }
}

/** Upright by EXIF, transparency on white, sRGB; the first frame of an animation. */
async function decodeWithSharp(bytes: Buffer): Promise<Pixels> {
  const { data, info } = await sharp(bytes, { failOn: 'error', limitInputPixels: MAX_PIXELS })
    .autoOrient()
    .flatten({ background: '#ffffff' })
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data };
}

async function toShorterSide(path: string, pixels: Pixels, shorterSide: number): Promise<Pixels> {
  const scale = shorterSide / Math.min(pixels.width, pixels.height);
  const size = { width: Math.round(pixels.width * scale), height: Math.round(pixels.height * scale) };
  checkPixels(`${path} at --size ${shorterSide}`, size);
  return resize(pixels, size);
}

async function resize({ width, height, data }: Pixels, size: Size): Promise<Pixels> {
  const wide = data instanceof Uint16Array;
  const { data: out } = await sharp(data, { raw: { width, height, channels: 3 }, limitInputPixels: MAX_PIXELS })
    .resize({ ...size, fit: 'fill', kernel: 'lanczos3' })
    .toColourspace(wide ? 'rgb16' : 'srgb')
    .raw({ depth: wide ? 'ushort' : 'uchar' })
    .toBuffer({ resolveWithObject: true });
  return { ...size, data: wide ? new Uint16Array(out.buffer, out.byteOffset, out.length / 2) : out };
}

function checkPixels(what: string, { width, height }: Size): void {
  if (width * height <= MAX_PIXELS) return;
  const limit = `at most ${MAX_PIXELS / 1e6} megapixels are read`;
  throw new InputError(`${what} is ${width} x ${height} pixels: ${limit}, make it smaller first`);
}

function toImage({ width, height, data }: Pixels): Image {
  const max = data instanceof Uint16Array ? 65535 : 255;
  const plane = width * height;
  const planes = new Float32Array(3 * plane);
  for (let i = 0; i < plane; i++) {
    for (let c = 0; c < 3; c++) planes[c * plane + i] = data[3 * i + c]! / max;
  }
  return { width, height, data: planes };
}

function toPixels({ width, height, data }: Image): Pixels & { readonly data: Uint8Array } {
  const plane = width * height;
  const pixels = new Uint8ClampedArray(3 * plane);
  for (let i = 0; i < plane; i++) {
    for (let c = 0; c < 3; c++) pixels[3 * i + c] = data[c * plane + i]! * 255;
  }
  return { width, height, data: new Uint8Array(pixels.buffer) };
}
