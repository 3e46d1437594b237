/** Photos in, pictures out. */
import sharp from 'sharp';
import type { Image } from '../../model/image.js';
import { InputError } from '../shared/errors.js';
import { readInput, sha256, writeFileAtomic } from '../shared/files.js';
import { decodePhoto, MAX_PIXELS, readHeader, type Decoded } from './decode.js';
import { encodePng, type Pixels } from './png.js';
import { addPngText, readPngText, type PngText } from './pngText.js';
import { sniff, type PhotoFormat } from './sniff.js';

export interface ReadOptions {
  /** Resizes (Lanczos, antialiased) until the shorter side has this many pixels. Default: the size in the file. */
  readonly shorterSide?: number | undefined;
  /** The same, only for photos whose shorter side has more pixels. */
  readonly atMost?: number;
  /** Plain files alone: for a path that another file names. */
  readonly plain?: boolean;
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
  /** A sentence with the file's name about what is odd in a file that was read all the same. */
  readonly note?: string;
  /** The same photo at another size, from the file's bytes as they were: they take far less memory than the pixels. */
  readonly again: (options?: ReadOptions) => Promise<Image>;
}

const MAX_BYTES = 512e6;

export type Size = Pick<Image, 'width' | 'height'>;

export const shorterSide = ({ width, height }: Size): number => Math.min(width, height);

/** Of a photo on a page, beside a result that is larger than what was trained on. */
export const SHOWN_SIDE = 512;

/** @throws InputError: one line with the file, what was found and the remedy */
export const readImage = async (path: string, options?: ReadOptions): Promise<Image> => (await readPhoto(path, options)).image;

/** Like `readImage`, with facts about the file. */
export async function readPhoto(path: string, options?: ReadOptions): Promise<Photo> {
  const { bytes, format } = await openPhoto(path, { pipes: !options?.plain });
  const { pixels, note } = await decode(path, bytes, format);
  const { width, height } = pixels;
  const image = await sized(path, pixels, options);
  const again = async (other?: ReadOptions): Promise<Image> => sized(path, (await decode(path, bytes, format)).pixels, other);
  return { path, sha256: sha256(bytes), format, width, height, image, again, ...(note && { note: `${path}: ${note}` }) };
}

/** Size of a photo in its file, upright; nothing is decoded. @throws as `readImage` */
export async function photoSize(path: string): Promise<Size> {
  const { bytes, format } = await openPhoto(path, { pipes: true });
  return decoding(path, format, async () => {
    const { width, height } = await readHeader(bytes, format);
    checkPixels(path, { width, height });
    return { width, height };
  });
}

interface Opened {
  readonly bytes: Buffer;
  readonly format: PhotoFormat;
}

async function openPhoto(path: string, from: { readonly pipes: boolean }): Promise<Opened> {
  const bytes = await readInput(path, MAX_BYTES, from);
  const kind = sniff(bytes);
  if (!kind.format) throw new InputError(`${path} is not a photo but ${kind.found}: save it as PNG, JPEG, WebP or AVIF`);
  return { bytes, format: kind.format };
}

async function sized(path: string, pixels: Pixels, { shorterSide: wanted, atMost = Infinity }: ReadOptions = {}): Promise<Image> {
  const side = wanted ?? (shorterSide(pixels) > atMost ? atMost : undefined);
  return toImage(side === undefined ? pixels : await toShorterSide(path, pixels, side));
}

/** An 8-bit RGB PNG with `text` inside; values outside 0..1 are clamped. */
export const writeImage = (path: string, image: Image, text: PngText = {}): Promise<void> =>
  writeFileAtomic(path, addPngText(encodeImage(image), text));

/** The bytes of such a PNG without text. */
export const encodeImage = (image: Image): Buffer => encodePng(toPixels(image));

/** The bytes of a PNG that this program wrote. @throws InputError for anything else */
export async function readPicture(path: string): Promise<Buffer> {
  const { bytes, format } = await openPhoto(path, { pipes: false });
  if (format !== 'png') throw new InputError(`${path} is no PNG but ${format.toUpperCase()}: put the file back as it was`);
  return bytes;
}

/** Of a photo's file. @throws InputError when it cannot be read */
export const photoSha256 = async (path: string): Promise<string> => sha256(await readInput(path, MAX_BYTES));

/** The texts inside a PNG, none in other formats. @throws InputError when the file cannot be read */
export const readImageText = async (path: string): Promise<PngText> => readPngText(await readInput(path, MAX_BYTES));

/** Lanczos, antialiased, through 8 bits: for viewing, not for training. */
export const resizeImage = async (image: Image, size: Size): Promise<Image> => toImage(await resize(toPixels(image), size));

const decode = (path: string, bytes: Buffer, format: PhotoFormat): Promise<Decoded> => decoding(path, format, async () => {
  const header = await readHeader(bytes, format);
  checkPixels(path, header);
  return decodePhoto(bytes, format, header);
});

/** The same picture, or one made smaller until it has at most this height, or this shorter side. */
export async function atMost(image: Image, limit: { height: number } | { shorterSide: number }): Promise<Image> {
  const { width, height } = image;
  const scale = 'height' in limit ? limit.height / height : limit.shorterSide / shorterSide(image);
  return scale >= 1 ? image : resizeImage(image, { width: Math.round(width * scale), height: Math.round(height * scale) });
}

async function decoding<T>(path: string, format: PhotoFormat, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof InputError) throw error;
    const reason = (error as Error).message.split('\n').at(-1)!.trim();
    const problem = `is a damaged or truncated ${format.toUpperCase()} (${reason})`;
    throw new InputError(`${path} ${problem}: copy or export it again`, { cause: error });
  }
}

async function toShorterSide(path: string, pixels: Pixels, side: number): Promise<Pixels> {
  const scale = side / shorterSide(pixels);
  const size = { width: Math.round(pixels.width * scale), height: Math.round(pixels.height * scale) };
  checkPixels(`${path} at --size ${side}`, size);
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
