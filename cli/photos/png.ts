/** PNG files: their chunks, what the header says, and 8-bit RGB out through pngjs. */
import { PNG } from 'pngjs';

/** Interleaved RGB, [height, width, 3], full range of its type, sRGB. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array | Uint16Array;
}

export const SIGNATURE = 8;
/** Bytes of a chunk's length, type and checksum. */
export const AROUND = 12;

/** The chunks of a PNG up to the first that is cut short; `end` is the position after the chunk. */
export function* chunksOf(bytes: Buffer): Generator<{ readonly type: string; readonly data: Buffer; readonly end: number }> {
  for (let at = SIGNATURE; at + AROUND <= bytes.length; ) {
    const end = at + AROUND + bytes.readUInt32BE(at);
    if (end > bytes.length) return;
    yield { type: bytes.toString('latin1', at + 4, at + 8), data: bytes.subarray(at + 8, end - 4), end };
    at = end;
  }
}

/** Samples of a pixel by colour type. */
const SAMPLES: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };
/** Deflate makes at most this many bytes of one. */
const MOST_INFLATION = 1032;
/** Bytes that small pictures may take beyond their size. */
const SLACK = 1 << 16;

export interface PngHeader {
  readonly width: number;
  readonly height: number;
  /** The fewest compressed bytes that can hold so many pixels, and more than any encoder makes of them. */
  readonly least: number;
  readonly most: number;
  /** Compressed bytes in the file. */
  readonly compressed: number;
  readonly hasEnd: boolean;
}

/**
 * What the header says. A decoder would find a second one, and a size that the data cannot fill, only after it took the memory.
 * @throws Error when there is no header or more than one
 */
export function pngHeader(bytes: Buffer): PngHeader {
  let header: Buffer | undefined;
  let [compressed, hasEnd] = [0, false];
  for (const { type, data } of chunksOf(bytes)) {
    if (type === 'IHDR' && header) throw new Error('it has two headers');
    if (type === 'IHDR') header = data;
    if (!header) break;
    if (type === 'IDAT') compressed += data.length;
    hasEnd = type === 'IEND';
    if (hasEnd) break;
  }
  if (header?.length !== 13) throw new Error('it has no header');
  const [width, height] = [header.readUInt32BE(0), header.readUInt32BE(4)];
  const row = Math.ceil((width * header[8]! * (SAMPLES[header[9]!] ?? 1)) / 8) + 1;
  return { width, height, least: (row * height) / MOST_INFLATION, most: 2 * row * height + SLACK, compressed, hasEnd };
}

export function encodePng({ width, height, data }: Pixels & { readonly data: Uint8Array }): Buffer {
  const png = new PNG({ width, height });
  png.data = Buffer.from(data);
  return PNG.sync.write(png, { colorType: 2, inputColorType: 2, inputHasAlpha: false });
}
