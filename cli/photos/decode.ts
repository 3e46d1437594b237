/**
 * Photos to pixels. Every format keeps one promise: upright, in sRGB, transparency on white, the first frame of an animation; 16
 * bits stay 16. sharp decodes PNG as well: pngjs knows neither profiles nor orientation, and does not bound what it inflates.
 */
import sharp, { type Metadata } from 'sharp';
import { toSrgb } from './colourSpace.js';
import { colourTags } from './colourTags.js';
import { hasAllScans } from './jpegScans.js';
import { pngHeader, type Pixels, type PngHeader } from './png.js';
import type { PhotoFormat } from './sniff.js';

/** More than the photo of any camera needs; a decoded picture takes at most 384 MB. */
export const MAX_PIXELS = 64e6;

/** Of a file that lacks nothing else; a decoder that has all pixels does not miss a PNG's end chunk. */
const NO_END = 'the file has no end mark; the picture is whole';

export interface Decoded {
  readonly pixels: Pixels;
  /** What is odd about a file that was read all the same. */
  readonly note?: string;
}

export interface Header {
  /** Upright. */
  readonly width: number;
  readonly height: number;
  readonly metadata: Metadata;
  /** Of a PNG. */
  readonly png?: PngHeader;
}

/** What can be known without decoding. @throws Error when there is no header, or there are two */
export async function readHeader(bytes: Buffer, format: PhotoFormat): Promise<Header> {
  const png = format === 'png' ? pngHeader(bytes) : undefined;
  const metadata = await sharp(bytes, { limitInputPixels: false }).metadata();
  return { ...metadata.autoOrient, metadata, ...(png && { png }) };
}

/** Data that cannot be those of the header's size are found here, before memory and time are taken for them. */
function checkData(bytes: Buffer, format: PhotoFormat, { metadata: { width, height }, png }: Header): void {
  // A block of 8 x 8 pixels of a JPEG takes one bit or more, even of a single colour.
  const least = format === 'jpeg' ? (Math.ceil(width / 8) * Math.ceil(height / 8)) / 8 : 0;
  const bounds = png ?? { least, most: Infinity, compressed: bytes.length };
  const amount = bounds.compressed < bounds.least ? 'few' : bounds.compressed > bounds.most ? 'many' : undefined;
  if (amount) throw new Error(`its data are too ${amount} for ${width} x ${height} pixels`);
}

/** @throws Error when the picture is damaged or cut short */
export async function decodePhoto(bytes: Buffer, format: PhotoFormat, header: Header): Promise<Decoded> {
  const { metadata, png } = header;
  checkData(bytes, format, header);
  const { space, overProfile } = colourTags(bytes, format, metadata.exif);
  const own = overProfile || !metadata.icc ? space : undefined;
  const { raw, note = png?.hasEnd === false ? NO_END : undefined } =
    await (format === 'jpeg' ? decodeJpeg : decodeWith)(bytes, { ignoreIcc: overProfile, metadata });
  const { colours, alpha } = split(raw);
  const pixels = own ? toSrgb(colours, own) : colours;
  return { pixels: alpha ? onWhite(pixels, alpha) : pixels, ...(note !== undefined && { note }) };
}

interface How {
  readonly ignoreIcc: boolean;
  readonly metadata: Metadata;
  readonly failOn?: 'warning' | 'error';
}

/** Interleaved, of 3 channels or of 4 with transparency. */
interface Raw extends Pixels {
  readonly channels: number;
}

interface Read {
  readonly raw: Raw;
  readonly note?: string;
}

async function decodeWith(bytes: Buffer, { ignoreIcc, metadata, failOn = 'error' }: How): Promise<Read> {
  const wide = metadata.depth === 'ushort';
  const { data, info: { width, height, channels } } = await sharp(bytes, { failOn, limitInputPixels: MAX_PIXELS, ignoreIcc })
    .autoOrient()
    .toColourspace(wide ? 'rgb16' : 'srgb')
    .raw({ depth: wide ? 'ushort' : 'uchar' })
    .toBuffer({ resolveWithObject: true });
  const values = wide ? new Uint16Array(data.buffer, data.byteOffset, data.length / 2) : data;
  return { raw: { width, height, channels, data: values } };
}

type Values = Pixels['data'];

function split({ width, height, channels, data }: Raw): { colours: Pixels; alpha?: Values } {
  if (channels === 3) return { colours: { width, height, data } };
  const Kind = data instanceof Uint16Array ? Uint16Array : Uint8Array;
  const [colours, alpha] = [new Kind(3 * width * height), new Kind(width * height)];
  for (let i = 0; i < alpha.length; i++) {
    for (let c = 0; c < 3; c++) colours[3 * i + c] = data[channels * i + Math.min(c, channels - 2)]!;
    alpha[i] = data[channels * i + channels - 1]!;
  }
  return { colours: { width, height, data: colours }, alpha };
}

/** In place. */
function onWhite(pixels: Pixels, alpha: Values): Pixels {
  const { data } = pixels;
  const max = data instanceof Uint16Array ? 65535 : 255;
  for (let i = 0; i < data.length; i++) {
    const share = alpha[Math.floor(i / 3)]! / max;
    data[i] = Math.round(data[i]! * share + max * (1 - share));
  }
  return pixels;
}

const END = Buffer.of(0xff, 0xd9);
const messageOf = (error: unknown): string => (error as Error).message;

/**
 * libjpeg warns where data are missing and fills the rest with grey, and warns of harmless oddities as well. A file that lacks
 * nothing but its end mark is whole.
 */
async function decodeJpeg(bytes: Buffer, how: How): Promise<Read> {
  try {
    return await decodeWith(bytes, { ...how, failOn: 'warning' });
  } catch (error) {
    const isCut = /premature end/i.test(messageOf(error));
    if (!isCut) return decodeWith(bytes, how);
    if (!/premature end of JPEG image/i.test(messageOf(error)) || !hasAllScans(bytes)) throw error;
    return { ...(await decodeWith(Buffer.concat([bytes, END]), { ...how, failOn: 'warning' })), note: NO_END };
  }
}
