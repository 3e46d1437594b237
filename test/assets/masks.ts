/** Masks as PNG files for people: the four labels are grey levels from black to white. */
import { readFile } from 'node:fs/promises';
import { PNG } from 'pngjs';
import type { Mask } from '../../cli/demo/scenes.js';
import { writeFileAtomic } from '../../cli/shared/files.js';

/** The grey level of a label is the label times this: 0, 85, 170, 255. */
const LEVEL = 85;

/** Writes an 8-bit grey PNG. */
export function writeMask(path: string, { width, height, data }: Mask): Promise<void> {
  const png = new PNG({ width, height });
  png.data = Buffer.from(data.map((label) => label * LEVEL));
  return writeFileAtomic(path, PNG.sync.write(png, { colorType: 0, inputColorType: 0, inputHasAlpha: false }));
}

/** Reads the files of `writeMask`. @throws RangeError when a grey level does not belong to a label */
export async function readMask(path: string): Promise<Mask> {
  const { width, height, data: rgba } = PNG.sync.read(await readFile(path));
  const levels = Uint8Array.from({ length: width * height }, (_, i) => rgba[4 * i]!);
  const bad = levels.find((level) => level % LEVEL !== 0);
  if (bad !== undefined) throw new RangeError(`${path} is not a mask: it has grey level ${bad} besides 0, 85, 170 and 255`);
  return { width, height, data: levels.map((level) => level / LEVEL) };
}
