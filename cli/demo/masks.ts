/** Masks as PNG files that people can look at: the four labels are grey levels from black to white. */
import { readFile } from 'node:fs/promises';
import { PNG } from 'pngjs';
import { writeFileAtomic } from '../shared/files.js';

/** Label numbers of a mask, one byte a pixel. */
export const labels = { sky: 0, ground: 1, water: 2, object: 3 } as const;

/** Label numbers, [height, width]. */
export interface Mask {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** Grey level of a label is the label times this: 0, 85, 170, 255. */
const LEVEL = 85;

/** Writes an 8-bit grey PNG. */
export function writeMask(path: string, { width, height, data }: Mask): Promise<void> {
  const png = new PNG({ width, height });
  png.data = Buffer.from(data.map((label) => label * LEVEL));
  return writeFileAtomic(path, PNG.sync.write(png, { colorType: 0, inputColorType: 0, inputHasAlpha: false }));
}

/** Reads what `writeMask` wrote. @throws RangeError when a grey level is no label's */
export async function readMask(path: string): Promise<Mask> {
  const { width, height, data: rgba } = PNG.sync.read(await readFile(path));
  const data = Uint8Array.from({ length: width * height }, (_, i) => {
    const level = rgba[4 * i]!;
    if (level % LEVEL !== 0) throw new RangeError(`${path} is no mask: grey level ${level} at pixel ${i} is not one of 0, 85, 170, 255`);
    return level / LEVEL;
  });
  return { width, height, data };
}
