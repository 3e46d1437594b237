/** Squares in rows and columns. */
import type { Image } from '../../model/image.js';

/** Pictures of one size in a grid with gaps of 2 pixels, on white; `undefined` leaves a place empty. */
export function sheet(rows: readonly (readonly (Image | undefined)[])[]): Image {
  const first = rows.flat().find((image) => image !== undefined);
  if (!first) throw new Error('sheet: no picture');
  const GAP = 2;
  const [columns, side] = [Math.max(...rows.map((r) => r.length)), { width: first.width + GAP, height: first.height + GAP }];
  const [width, height] = [columns * side.width - GAP, rows.length * side.height - GAP];
  const data = new Float32Array(3 * width * height).fill(1);
  rows.forEach((row, r) => row.forEach((image, c) => {
    if (!image) return;
    if (image.width !== first.width || image.height !== first.height) throw new Error(`sheet: ${image.width}x${image.height} beside ${first.width}x${first.height}`);
    for (let line = 0; line < 3 * image.height; line++) {
      const [channel, y] = [Math.floor(line / image.height), line % image.height];
      data.set(image.data.subarray(line * image.width, (line + 1) * image.width), (channel * height + r * side.height + y) * width + c * side.width);
    }
  }));
  return { width, height, data };
}
