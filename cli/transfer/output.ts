/** The picture that a result becomes: its size, and the detail that is added to reach it. */
import { shorterSide, type Size } from '../photos/photo.js';
import { show, wholeOf, type Fields } from '../run/config.js';
import { UsageError } from '../shared/errors.js';

/** `auto`: a strength that suits the sizes. */
export type Strength = number | 'auto';

export interface OutputOptions {
  /** Strength of the structure photo's detail in the result, 0 to 1; 0 or absent leaves the trained picture as it is. */
  readonly detail?: Strength;
  /** Size of the result over that of the trained picture; when both are absent, the result has the photo's size. */
  readonly upscale?: number;
  /** Shorter side of the result in pixels. */
  readonly outputSize?: number;
}

/** As many as are read from a photo. */
const MOST_PIXELS = 64e6;
export const MOST_UPSCALE = 64;
export const MOST_OUTPUT = 32_768;

/** For people. */
export const showSize = ({ width, height }: Size): string => `${width} x ${height}`;

/** The options that a config.json holds; runs of earlier versions had none. @throws Error naming the field that is wrong */
export function parseOutput({ detail = 0, upscale, outputSize }: Fields): OutputOptions {
  const isShare = typeof detail === 'number' && detail >= 0 && detail <= 1;
  if (detail !== 'auto' && !isShare) throw new Error(`options.detail is ${show(detail)}`);
  const isFactor = typeof upscale === 'number' && upscale > 1 && upscale <= MOST_UPSCALE;
  if (upscale != null && !isFactor) throw new Error(`options.upscale is ${show(upscale)}`);
  return {
    detail,
    ...(isFactor && { upscale }),
    ...(outputSize != null && { outputSize: wholeOf('options.outputSize', outputSize) }),
  };
}

/**
 * The size that detail brings a picture to; undefined when the picture is the result as it is.
 * @param photo size of the structure photo in its file, @param trained that of the picture
 * @throws UsageError for an output smaller than the picture, or larger than can be written
 */
export function targetOf({ detail = 0, upscale, outputSize }: OutputOptions, photo: Size, trained: Size): Size | undefined {
  if (detail === 0) return undefined;
  const least = shorterSide(trained);
  const side = outputSize ?? (upscale === undefined ? shorterSide(photo) : Math.round(upscale * least));
  if (outputSize !== undefined && side < least) {
    throw new UsageError(`--output-size ${side} is below the ${least} pixels of the trained picture: give a smaller --size too`);
  }
  if (side <= least) return undefined;
  const scale = side / shorterSide(photo);
  const size = { width: Math.round(photo.width * scale), height: Math.round(photo.height * scale) };
  if (size.width * size.height <= MOST_PIXELS) return size;
  const option = outputSize === undefined ? `--upscale ${upscale ?? ''}`.trim() : `--output-size ${side}`;
  throw new UsageError(`${option} makes ${showSize(size)} pixels: at most ${MOST_PIXELS / 1e6} megapixels are written`);
}

/** A line for a result larger than its photo, undefined for any other. */
export function enlargedNote(photo: Size, target: Size | undefined): string | undefined {
  if (!target || target.height <= photo.height) return undefined;
  const sizes = `${showSize(target)} is more than the structure photo's ${showSize(photo)}`;
  return `note: ${sizes}: the photo is enlarged for it, and has no detail of that size to give`;
}
