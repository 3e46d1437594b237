/** The nearest pixels of a picture at another size: for labels, which no other resampling keeps whole. */

interface Size {
  readonly width: number;
  readonly height: number;
}

/** For every pixel of `to`, row by row, the number of the pixel of `from` that lies under its centre. */
export function nearestPixels(from: Size, to: Size): Uint32Array {
  const under = (n: number, pixels: number, all: number): number => Math.floor(((n + 0.5) * pixels) / all);
  return Uint32Array.from({ length: to.width * to.height }, (_, i) => {
    const [x, y] = [i % to.width, Math.floor(i / to.width)];
    return under(y, from.height, to.height) * from.width + under(x, from.width, to.width);
  });
}
