/** Label images, on the page and in its worker. */
import type { Labels } from '../../../model/method/regions.js';

/** The nearest label of every pixel. */
export function scaled({ width, height, data }: Labels, to: { readonly width: number; readonly height: number }): Labels {
  const at = (n: number, pixels: number, all: number): number => Math.floor(((n + 0.5) * pixels) / all);
  const made = new Uint8Array(to.width * to.height);
  made.forEach((_, i) => {
    const [x, y] = [i % to.width, Math.floor(i / to.width)];
    made[i] = data[at(y, height, to.height) * width + at(x, width, to.width)]!;
  });
  return { width: to.width, height: to.height, data: made };
}
