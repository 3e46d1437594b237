/** CIE L*a*b*, a colour space whose distances are close to human perception. */
import type { Image, Picture } from '../image.js';

/** Pixel by pixel: `data` is [height, width, 3] of L (0..100), a and b. */
export type Lab = Picture<Float64Array>;

/** sRGB's primaries in XYZ, by rows, and its white, D65 (IEC 61966-2-1). */
const XYZ = [
  [0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041],
] as const;
const WHITE = [0.95047, 1, 1.08883] as const;

/** An sRGB value in 0..1 as light. */
export const linear = (v: number): number => (v > 0.04045 ? ((v + 0.055) / 1.055) ** 2.4 : v / 12.92);
const compress = (t: number): number => (t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116);

/** X, Y or Z divided by the white's, compressed. */
const axis = (k: 0 | 1 | 2, r: number, g: number, b: number): number =>
  compress((XYZ[k][0] * r + XYZ[k][1] * g + XYZ[k][2] * b) / WHITE[k]);

export function toLab({ width, height, data }: Image): Lab {
  const plane = width * height;
  const lab = new Float64Array(3 * plane);
  for (let i = 0; i < plane; i++) {
    const [r, g, b] = [linear(data[i]!), linear(data[plane + i]!), linear(data[2 * plane + i]!)];
    const x = axis(0, r, g, b);
    const y = axis(1, r, g, b);
    lab[3 * i] = 116 * y - 16;
    lab[3 * i + 1] = 500 * (x - y);
    lab[3 * i + 2] = 200 * (y - axis(2, r, g, b));
  }
  return { width, height, data: lab };
}

export const lightness = ({ data }: Lab): Float64Array => Float64Array.from({ length: data.length / 3 }, (_, i) => data[3 * i]!);
