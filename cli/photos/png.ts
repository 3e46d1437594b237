/** PNG through pngjs: all bit depths, palettes and transparency in, 8-bit RGB out. */
import { PNG } from 'pngjs';
import { chunksOf } from './pngText.js';

/** Interleaved RGB, [height, width, 3], full range of its type, sRGB. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array | Uint16Array;
}

/** Width and height from the header alone. @throws Error when there is none */
export function pngSize(bytes: Buffer): { width: number; height: number } {
  if (bytes.toString('latin1', 12, 16) !== 'IHDR') throw new Error('it has no header');
  return { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) };
}

/** RGB of a PNG with transparency on white; 16-bit files keep their 16 bits. @throws Error for damaged files */
export function decodePng(bytes: Buffer): Pixels {
  const isWide = bytes[24] === 16; // bits per sample
  // pngjs refuses what some programs append after the end mark. It scales all other depths to 8 bits.
  const png = PNG.sync.read(bytes.subarray(0, endOfPng(bytes)), { skipRescale: isWide });
  const { width, height, data }: { width: number; height: number; data: ArrayLike<number> } = png;
  const max = isWide ? 65535 : 255;
  const pixels = isWide ? new Uint16Array(width * height * 3) : new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) {
    const alpha = data[4 * i + 3]! / max;
    for (let c = 0; c < 3; c++) pixels[3 * i + c] = Math.round(data[4 * i + c]! * alpha + max * (1 - alpha));
  }
  return { width, height, data: pixels };
}

export function encodePng({ width, height, data }: Pixels & { readonly data: Uint8Array }): Buffer {
  const png = new PNG({ width, height });
  png.data = Buffer.from(data);
  return PNG.sync.write(png, { colorType: 2, inputColorType: 2, inputHasAlpha: false });
}

/** Position after the IEND chunk. @throws Error when it is missing */
function endOfPng(bytes: Buffer): number {
  for (const { type, end } of chunksOf(bytes)) if (type === 'IEND') return end;
  throw new Error('it ends too early');
}
