/** PNG through pngjs: all bit depths, palettes and transparency in, 8-bit RGB out. */
import { PNG } from 'pngjs';
import type { Pixels } from './photo.js';

const SIGNATURE = 8;
const WHITE = 1;

/** Width and height from the header alone. @throws Error when there is none */
export function pngSize(bytes: Buffer): { width: number; height: number } {
  if (bytes.toString('latin1', 12, 16) !== 'IHDR') throw new Error('it has no header');
  return { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) };
}

/** RGB of a PNG with transparency laid on white; 16-bit files keep their 16 bits. @throws Error for damaged files */
export function decodePng(bytes: Buffer): Pixels {
  // pngjs refuses what some programs append behind the end mark.
  const { width, height, data, depth } = readUnscaled(bytes.subarray(0, endOfPng(bytes)));
  const max = depth === 16 ? 65535 : 255;
  const pixels = depth === 16 ? new Uint16Array(width * height * 3) : new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) {
    const alpha = data[4 * i + 3]! / max;
    for (let c = 0; c < 3; c++) pixels[3 * i + c] = Math.round(data[4 * i + c]! * alpha + WHITE * max * (1 - alpha));
  }
  return { width, height, data: pixels };
}

export function encodePng({ width, height, data }: { width: number; height: number; data: Uint8Array }): Buffer {
  const png = new PNG({ width, height });
  png.data = Buffer.from(data);
  return PNG.sync.write(png, { colorType: 2, inputColorType: 2, inputHasAlpha: false });
}

/** RGBA as stored for 16 bits, scaled to 8 bits for anything else. */
function readUnscaled(bytes: Buffer): { width: number; height: number; data: ArrayLike<number>; depth: number } {
  const depth = bytes[24]!;
  const { width, height, data } = PNG.sync.read(bytes, { skipRescale: depth === 16 });
  return { width, height, data, depth };
}

/** Position behind the IEND chunk. @throws Error when there is none */
function endOfPng(bytes: Buffer): number {
  for (let at = SIGNATURE; at + 12 <= bytes.length; ) {
    const end = at + 12 + bytes.readUInt32BE(at);
    if (bytes.toString('latin1', at + 4, at + 8) === 'IEND') return end;
    at = end;
  }
  throw new Error('it ends too early');
}
