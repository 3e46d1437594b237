/** Strength: a picture between the structure photo and the result, or beyond it, as `--strength` makes them. */
import { between } from '../../../model/image.js';
import { byId, setText } from './dom.js';

interface Size {
  readonly width: number;
  readonly height: number;
}

/** RGBA in bytes, row by row. */
interface Pixels extends Size {
  readonly data: Uint8ClampedArray;
}

/** What a picture shows, at a size. */
export function pixelsOf(picture: CanvasImageSource, { width, height }: Size): ImageData {
  const context = Object.assign(document.createElement('canvas'), { width, height }).getContext('2d')!;
  context.imageSmoothingQuality = 'high';
  context.drawImage(picture, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

/** Of two pictures of one size. */
export function mixed(structure: Pixels, { width, height, data }: Pixels, strength: number): ImageData {
  const mixture = new ImageData(width, height);
  data.forEach((value, i) => (mixture.data[i] = between(structure.data[i]!, value, strength))); // a byte clamps, and rounds
  return mixture;
}

/** Name of the file of a picture. */
export const nameAt = (picture: string, strength: number): string =>
  `${picture}${strength === 1 ? '' : `-strength-${strength}`}.png`;

/** Calls `show` with the strength that the slider is moved to. */
export function listenToStrength(show: (strength: number) => void): void {
  const slider = byId<HTMLInputElement>('strength');
  slider.addEventListener('input', () => {
    setText(byId('strength-number'), slider.value);
    show(slider.valueAsNumber);
  });
}
