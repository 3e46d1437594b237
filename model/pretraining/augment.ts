/**
 * Random crops for self-distillation, drawn and made on the CPU as in torchvision, on floats. A step needs dozens of small
 * pictures from different photos, which take little time compared with the ViT.
 */
import type { Bitmap } from '../image.js';
import type { Random } from '../random.js';
import { resampled, type Box } from '../resample.js';
import { blurred } from './blur.js';
import { grey, jitterOrder, solarize } from './colour.js';
import type { PretrainOptions } from './options.js';

export interface CropKind {
  /** Side in pixels. */
  readonly side: number;
  /** Smallest and largest share of the photo's area. */
  readonly scale: readonly [number, number];
  readonly blur: number;
  readonly solarize: number;
}

/** The published recipe: the first global crop is always blurred; the second seldom, and it may be solarised. */
const GLOBALS = [{ blur: 1, solarize: 0 }, { blur: 0.1, solarize: 0.2 }] as const;
const LOCAL = { blur: 0.5, solarize: 0 } as const;
const FLIP = 0.5, JITTER = 0.8, GREY = 0.2;
/** Largest changes of brightness, contrast, saturation and hue. */
const CHANGES = [0.4, 0.4, 0.2, 0.1] as const;
/** The side of the crops for which the recipe gives the blur's deviations. */
const BLUR_SIDE = 224;

type CropSizes = Pick<PretrainOptions, 'imageSize' | 'localSize' | 'locals' | 'globalScale' | 'localScale'>;

/** The crops of a photo for self-distillation, the two global ones first. */
export const selfDistillationCrops = ({ imageSize, localSize, locals, globalScale, localScale }: CropSizes): CropKind[] => [
  ...GLOBALS.map((chances) => ({ ...chances, side: imageSize, scale: globalScale })),
  ...Array.from({ length: locals }, () => ({ ...LOCAL, side: localSize, scale: localScale })),
];

/** The crop that both student and teacher see when a student learns from another ViT. */
export const sharedCrop = (side: number, scale: readonly [number, number]): CropKind => ({ side, scale, blur: 0.1, solarize: 0 });

/** A crop of a photo: [3, side, side] in 0..1. */
export function drawCrop(next: Random, photo: Bitmap, { side, scale, blur, solarize: negative }: CropKind): Float32Array {
  const box = drawBox(next, photo, scale);
  const pixels = resampled(photo, box, side, next.chance(FLIP));
  if (next.chance(JITTER)) jitter(next, pixels);
  if (next.chance(GREY)) grey(pixels);
  if (next.chance(blur)) blurred(pixels, side, (next.between(0.1, 2) * side) / BLUR_SIDE);
  if (next.chance(negative)) solarize(pixels);
  return pixels;
}

/** torchvision's RandomResizedCrop: a share of the area within `scale`, sides in a proportion of 3:4 to 4:3. */
function drawBox(next: Random, { width, height }: Bitmap, [least, most]: readonly [number, number]): Box {
  for (let attempt = 0; attempt < 10; attempt++) {
    const area = width * height * next.between(least, most);
    const ratio = Math.exp(next.between(Math.log(3 / 4), Math.log(4 / 3)));
    const [w, h] = [Math.round(Math.sqrt(area * ratio)), Math.round(Math.sqrt(area / ratio))];
    if (w < 1 || h < 1 || w > width || h > height) continue;
    return { left: next.integer(0, width - w), top: next.integer(0, height - h), width: w, height: h };
  }
  const [w, h] = [Math.min(width, Math.round((4 / 3) * height)), Math.min(height, Math.round((4 / 3) * width))];
  return { left: Math.floor((width - w) / 2), top: Math.floor((height - h) / 2), width: w, height: h };
}

function jitter(next: Random, pixels: Float32Array): void {
  const order = next.permutation(4);
  const factors = CHANGES.slice(0, 3).map((change) => next.between(1 - change, 1 + change)) as [number, number, number];
  jitterOrder(pixels, order, [...factors, next.between(-CHANGES[3], CHANGES[3])]);
}
