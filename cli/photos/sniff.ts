/** The kind of a file by its first bytes: names may be wrong. */

export type PhotoFormat = 'png' | 'jpeg' | 'webp' | 'avif';

export type Sniffed = { readonly format: PhotoFormat } | { readonly format?: undefined; readonly found: string };

/** The format of a photo that this project reads, or in words what the bytes look like instead. */
export function sniff(bytes: Uint8Array): Sniffed {
  const text = String.fromCharCode(...bytes.subarray(0, 64));
  if (text.startsWith('\x89PNG\r\n\x1a\n')) return { format: 'png' };
  if (text.startsWith('\xff\xd8\xff')) return { format: 'jpeg' };
  if (text.startsWith('RIFF') && text.slice(8, 12) === 'WEBP') return { format: 'webp' };
  if (text.slice(4, 8) === 'ftyp') return /avi[fs]/.test(text.slice(8)) ? { format: 'avif' } : { found: isoMedia(text) };
  const found = others.find(([start]) => text.startsWith(start))?.[1];
  return { found: found ?? (isText(bytes) ? textKind(text) : `unknown data (${hex(bytes.subarray(0, 4))})`) };
}

const others: readonly (readonly [string, string])[] = [
  ['GIF8', 'a GIF'],
  ['BM', 'a BMP'],
  ['II*\0', 'a TIFF'],
  ['MM\0*', 'a TIFF'],
  ['%PDF', 'a PDF'],
  ['\xff\x0a', 'a JPEG XL'],
  ['\0\0\0\x0cJXL', 'a JPEG XL'],
  ['\0\0\0\x0cjP', 'a JPEG 2000'],
  ['8BPS', 'a Photoshop file'],
  ['PK', 'a zip archive'],
];

const isoMedia = (text: string): string => (/hei[cx]|mif1|msf1/.test(text.slice(8)) ? 'a HEIC photo' : 'a video');

/** Whether the beginning is valid UTF-8 without control characters except white space; the cut may split the last character. */
function isText(bytes: Uint8Array): boolean {
  const head = bytes.subarray(0, 512);
  if (head.some((byte) => byte < 32 && ![9, 10, 12, 13].includes(byte))) return false;
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(head, { stream: true });
    return true;
  } catch {
    return false;
  }
}

function textKind(text: string): string {
  const start = text.trimStart().toLowerCase();
  if (start.startsWith('<svg')) return 'an SVG drawing';
  return start.startsWith('<!doctype html') || start.startsWith('<html') ? 'a web page' : 'text';
}

const hex = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
