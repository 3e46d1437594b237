/** Pictures between files, canvases and the models. Runs in a worker. */
import type { Image } from '../../../model/image.js';
import type { PhotoSize } from '../../../model/training/sizes.js';
import type { Shown } from './messages.js';

/** A picture smaller than this is an accident. */
const LEAST_SIDE = 16;

export interface Photo {
  readonly image: Image;
  /** The same pixels as a PNG. */
  png(): Promise<Uint8Array>;
}

/** @throws Error with the remedy */
export async function sizeOf(which: string, file: ImageBitmapSource): Promise<PhotoSize> {
  const bitmap = await decode(which, file);
  const { width, height } = bitmap;
  bitmap.close();
  return { width, height };
}

async function decode(which: string, file: ImageBitmapSource): Promise<ImageBitmap> {
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new Error(`the ${which} cannot be read: use a PNG, JPEG, WebP or AVIF file`);
  });
  const { width, height } = bitmap;
  if (Math.min(width, height) < LEAST_SIDE) throw new Error(`the ${which} has ${width} x ${height} pixels: use a larger one`);
  return bitmap;
}

/** Pixels of a side: `shorter` as given, however large the photo is; the others reduce a larger photo only. */
export type Wanted = { readonly shorter: number } | { readonly most: number } | { readonly longer: number };

function scaleFor(size: Wanted, shorter: number, longer: number): number {
  if ('shorter' in size) return size.shorter / shorter;
  return Math.min(1, 'most' in size ? size.most / shorter : size.longer / longer);
}

/** Upright, in sRGB, on white where it is transparent. @throws Error with the remedy */
export async function readPhoto(which: string, file: ImageBitmapSource, size: Wanted): Promise<Photo> {
  const bitmap = await decode(which, file);
  const scale = scaleFor(size, Math.min(bitmap.width, bitmap.height), Math.max(bitmap.width, bitmap.height));
  const [width, height] = [Math.round(bitmap.width * scale), Math.round(bitmap.height * scale)];
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d', { willReadFrequently: true })!;
  context.fillStyle = '#fff';
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  return {
    image: toImage(context.getImageData(0, 0, width, height)),
    png: async () => new Uint8Array(await (await canvas.convertToBlob({ type: 'image/png' })).arrayBuffer()),
  };
}

/** The pixels of a PNG as they are. @throws Error for anything else */
export async function readPixels(png: Blob): Promise<Image> {
  const bitmap = await createImageBitmap(png, { colorSpaceConversion: 'none', premultiplyAlpha: 'none' });
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true })!;
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return toImage(context.getImageData(0, 0, width, height));
}

function toImage({ width, height, data }: ImageData): Image {
  const plane = width * height;
  const planes = new Float32Array(3 * plane);
  for (let i = 0; i < plane; i++) {
    for (let c = 0; c < 3; c++) planes[c * plane + i] = data[4 * i + c]! / 255;
  }
  return { width, height, data: planes };
}

/** Values outside 0..1 are clamped. */
export function toPng(image: Image): Promise<Blob> {
  const { width, height, data } = toShown(image);
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext('2d')!.putImageData(new ImageData(data, width, height), 0, 0);
  return canvas.convertToBlob({ type: 'image/png' });
}

/** Values outside 0..1 are clamped. */
export function toShown({ width, height, data }: Image): Shown {
  const plane = width * height;
  const bytes = new Uint8ClampedArray(4 * plane).fill(255);
  for (let i = 0; i < plane; i++) {
    for (let c = 0; c < 3; c++) bytes[4 * i + c] = data[c * plane + i]! * 255;
  }
  return { width, height, data: bytes };
}
