/** What a file says about its colours besides an ICC profile, which sharp reads. */
import { ADOBE_RGB, codedSpace, measuredSpace, type ColourSpace, type Primaries } from './colourSpace.js';
import { chunksOf } from './png.js';
import type { PhotoFormat } from './sniff.js';

export interface ColourTags {
  /** The space of the stored values; undefined for sRGB, and where a profile says it. */
  readonly space: ColourSpace | undefined;
  /** Whether this counts more than an ICC profile in the file. */
  readonly overProfile: boolean;
}

const NONE: ColourTags = { space: undefined, overProfile: false };

/** `exif` is a photo's EXIF block as sharp gives it. @throws nothing: tags that cannot be read say nothing */
export function colourTags(bytes: Buffer, format: PhotoFormat, exif?: Buffer): ColourTags {
  if (format === 'png') return pngTags(bytes);
  if (format === 'avif') return avifTags(bytes);
  return { space: exif && isAdobeRgb(exif) ? ADOBE_RGB : undefined, overProfile: false };
}

/** By PNG's order: cICP, then a profile, then sRGB, then gAMA and cHRM (https://www.w3.org/TR/png-3/#12Decoder-colour). */
function pngTags(bytes: Buffer): ColourTags {
  const found = new Map<string, Buffer>();
  for (const { type, data } of chunksOf(bytes)) {
    if (type === 'IDAT') break;
    found.set(type, data);
  }
  const [coded, gamma, chromaticities] = [found.get('cICP'), found.get('gAMA'), found.get('cHRM')];
  if (coded?.length === 4) return { space: codedSpace(coded[0]!, coded[1]!), overProfile: true };
  if (found.has('sRGB')) return NONE;
  const value = (data: Buffer, i: number): number => data.readUInt32BE(4 * i) / 1e5;
  // The chunk has white first.
  const primaries = chromaticities?.length === 32
    ? [2, 3, 4, 5, 6, 7, 0, 1].map((i) => value(chromaticities, i)) as unknown as Primaries : undefined;
  return { space: measuredSpace(gamma?.length === 4 ? value(gamma, 0) : undefined, primaries), overProfile: false };
}

interface Box {
  readonly type: string;
  readonly data: Buffer;
}

/** Boxes of an ISO base media file, up to the first that is cut short. */
function* boxesOf(bytes: Buffer): Generator<Box> {
  for (let at = 0; at + 8 <= bytes.length; ) {
    const size = bytes.readUInt32BE(at);
    const end = size === 0 ? bytes.length : at + size;
    if (end > bytes.length || end < at + 8) return;
    yield { type: bytes.toString('latin1', at + 4, at + 8), data: bytes.subarray(at + 8, end) };
    at = end;
  }
}

const boxIn = (bytes: Buffer, type: string): Buffer | undefined => [...boxesOf(bytes)].find((box) => box.type === type)?.data;

/** The code points in meta / iprp / ipco / colr. */
function avifTags(bytes: Buffer): ColourTags {
  const properties = ['iprp', 'ipco'].reduce<Buffer | undefined>(
    (inside, type) => inside && boxIn(inside, type), boxIn(bytes, 'meta')?.subarray(4));
  const colours = properties ? [...boxesOf(properties)].filter(({ type }) => type === 'colr').map(({ data }) => data) : [];
  const coded = colours.find((data) => data.toString('latin1', 0, 4) === 'nclx' && data.length >= 10);
  if (!coded) return NONE;
  return { space: codedSpace(coded.readUInt16BE(4), coded.readUInt16BE(6)), overProfile: false };
}

const EXIF_FOLDER = 0x8769, INTEROPERABILITY = 0xa005, INDEX = 1;

/** Whether a camera says Adobe RGB the way cameras do: interoperability index R03 (DCF 2.0). */
function isAdobeRgb(exif: Buffer): boolean {
  const tiff = exif.toString('latin1', 0, 6) === 'Exif\0\0' ? exif.subarray(6) : exif;
  try {
    const little = tiff.toString('latin1', 0, 2) === 'II';
    const u16 = (at: number): number => (little ? tiff.readUInt16LE(at) : tiff.readUInt16BE(at));
    const u32 = (at: number): number => (little ? tiff.readUInt32LE(at) : tiff.readUInt32BE(at));
    /** The position of a tag's value, or of what the value points to, in the folder at `folder`. */
    const valueAt = (folder: number, tag: number): number | undefined => {
      for (let i = 0; i < u16(folder); i++) {
        const entry = folder + 2 + 12 * i;
        if (u16(entry) === tag) return entry + 8;
      }
      return undefined;
    };
    const own = valueAt(u32(4), EXIF_FOLDER);
    const other = own === undefined ? undefined : valueAt(u32(own), INTEROPERABILITY);
    const index = other === undefined ? undefined : valueAt(u32(other), INDEX);
    return index !== undefined && tiff.toString('latin1', index, index + 3) === 'R03';
  } catch {
    return false; // a position outside of the block
  }
}
