/** Pictures as the models see them. */

export interface Picture<Data> {
  readonly width: number;
  readonly height: number;
  readonly data: Data;
}

/** RGB in 0..1, channel by channel: `data` is [3, height, width]. */
export type Image = Picture<Float32Array>;

/** RGB, one byte a channel, channel by channel: `data` is [3, height, width]. A thousand photos of 128 pixels are 49 MB. */
export type Bitmap = Picture<Uint8Array>;

/**
 * Whether all pixels of a photo are equal to within one step of eight bits. Batch norm divides by the spread of its input:
 * trained on such a picture, gradients grow layer by layer until they are not finite.
 */
export function isOneColour({ width, height, data }: Image): boolean {
  const plane = width * height;
  return [0, 1, 2].every((c) => {
    const channel = data.subarray(c * plane, (c + 1) * plane);
    return channel.every((value) => Math.abs(value - channel[0]!) <= 1 / 255);
  });
}

/** `a` at 0, `b` at 1, and beyond `b` above 1. */
export const between = (a: number, b: number, share: number): number => a + share * (b - a);

/**
 * Between two pictures of one size, pixel by pixel: `a` at 0, `b` at 1, and beyond `b` above 1; clamped to 0..1.
 * @throws RangeError for pictures of two sizes
 */
export function blended(a: Image, b: Image, share: number): Image {
  const { width, height } = a;
  if (b.width !== width || b.height !== height) throw new RangeError(`${width}x${height} and ${b.width}x${b.height} pixels`);
  return { width, height, data: a.data.map((v, i) => Math.min(1, Math.max(0, between(v, b.data[i]!, share)))) };
}
