/** Label images: PNGs in which every region of a photo has a colour of its own. */
import sharp from 'sharp';
import type { Image } from '../../model/image.js';
import { InputError } from '../shared/errors.js';
import { readInput, sha256 } from '../shared/files.js';
import { decodePhoto, MAX_PIXELS, readHeader } from './decode.js';
import { sniff } from './sniff.js';

/** A colour as a number, 0xrrggbb; 0 is no region. */
export type Colour = number;

/** Names that stand for colours, in the order in which they are given to proposed regions. */
export const NAMED: Readonly<Record<string, Colour>> = {
  red: 0xff0000, green: 0x00ff00, blue: 0x0000ff, yellow: 0xffff00, magenta: 0xff00ff, cyan: 0x00ffff, orange: 0xff8000,
  white: 0xffffff, purple: 0x8000ff, lime: 0x80ff00, pink: 0xff80c0, brown: 0x804000,
};

/** For people: its name, or `#rrggbb`. */
export const showColour = (colour: Colour): string =>
  Object.entries(NAMED).find(([, named]) => named === colour)?.[0] ?? `#${colour.toString(16).padStart(6, '0')}`;

/** A name of `NAMED` or `#rrggbb`; undefined for anything else and for black. */
export function colourOf(text: string): Colour | undefined {
  const name = text.toLowerCase();
  if (Object.hasOwn(NAMED, name)) return NAMED[name];
  return (/^#[0-9a-f]{6}$/.test(name) && Number.parseInt(name.slice(1), 16)) || undefined;
}

/** A label image as read, and what identifies its file. */
export interface LabelFile {
  readonly path: string;
  readonly sha256: string;
  readonly width: number;
  readonly height: number;
  /** The colour of every pixel, [height, width]; 0 for none. */
  readonly pixels: Int32Array;
  /** The colours of its regions, in order. */
  readonly colours: readonly Colour[];
}

const MAX_BYTES = 64e6;
const MOST_REGIONS = 24;
/** A colour with a smaller share of the pixels is the soft edge of a brush, and no region. */
const LEAST_SHARE = 1 / 1000;

/** The label image in a file, as `labelsIn`. */
export const readLabels = async (path: string): Promise<LabelFile> =>
  labelsIn(path, await readInput(path, MAX_BYTES, { pipes: true }));

/** Black and transparent pixels have no region, nor do colours of less than a thousandth of the pixels. @throws InputError */
export async function labelsIn(path: string, bytes: Buffer): Promise<LabelFile> {
  const kind = sniff(bytes);
  if (kind.format !== 'png') {
    const found = kind.format === undefined ? kind.found : kind.format.toUpperCase();
    throw new InputError(`${path} is not a PNG but ${found}: save label images as PNG, which keeps colours`);
  }
  const { data, width, height } = await decoded(path, bytes);
  const pixels = new Int32Array(width * height);
  const counts = new Map<Colour, number>();
  for (let i = 0; i < pixels.length; i++) {
    const colour = data[4 * i + 3]! < 128 ? 0 : (data[4 * i]! << 16) | (data[4 * i + 1]! << 8) | data[4 * i + 2]!;
    pixels[i] = colour;
    counts.set(colour, (counts.get(colour) ?? 0) + 1);
  }
  const colours = [...counts].filter(([colour, count]) => colour !== 0 && count >= LEAST_SHARE * pixels.length)
    .map(([colour]) => colour).sort((a, b) => a - b);
  checkColours(path, colours);
  const isRegion = new Set(colours);
  const labelled = pixels.map((colour) => (isRegion.has(colour) ? colour : 0));
  return { path, sha256: sha256(bytes), width, height, colours, pixels: labelled };
}

function checkColours(path: string, colours: readonly Colour[]): void {
  if (colours.length === 0) {
    throw new InputError(`${path} labels nothing: paint every region in one colour; black and transparent are no region`);
  }
  if (colours.length <= MOST_REGIONS) return;
  const remedy = 'paint each region in one flat colour, without smooth edges';
  throw new InputError(`${path} has ${colours.length} colours: at most ${MOST_REGIONS} regions are taken, ${remedy}`);
}

/** The colours as they are in the file, red, green, blue and alpha. */
async function decoded(path: string, bytes: Buffer) {
  try {
    await decodePhoto(bytes, 'png', await readHeader(bytes, 'png')); // finds what is damaged, or too large
    const { data, info: { width, height } } = await sharp(bytes, { limitInputPixels: MAX_PIXELS, ignoreIcc: true })
      .toColourspace('srgb').ensureAlpha().raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
    return { data, width, height };
  } catch (error) {
    const reason = (error as Error).message.split('\n').at(-1)!.trim();
    throw new InputError(`${path} is a damaged or oversized PNG (${reason}): export it again`, { cause: error });
  }
}

/** The colours as a picture. */
export function labelPicture({ width, height, pixels }: Pick<LabelFile, 'width' | 'height' | 'pixels'>): Image {
  const plane = width * height;
  const data = new Float32Array(3 * plane);
  pixels.forEach((colour, i) => {
    for (let c = 0; c < 3; c++) data[c * plane + i] = ((colour >> (16 - 8 * c)) & 255) / 255;
  });
  return { width, height, data };
}
