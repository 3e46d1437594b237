/** Words inside a PNG: tEXt chunks, iTXt where Latin-1 does not suffice (https://www.w3.org/TR/png-3/#11textinfo). */
import { inflateSync } from 'node:zlib';

/** Keyword -> text. */
export type PngText = Readonly<Record<string, string>>;

const SIGNATURE = 8;
/** Length, type and checksum. */
const AROUND = 12;

const CRC = Uint32Array.from({ length: 256 }, (_, byte) => {
  let c = byte;
  for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
  return c;
});

const crc32 = (bytes: Uint8Array): number => ~bytes.reduce((c, byte) => CRC[(c ^ byte) & 255]! ^ (c >>> 8), -1) >>> 0;

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const ends = [Buffer.alloc(4), Buffer.alloc(4)] as const;
  ends[0].writeUInt32BE(data.length);
  ends[1].writeUInt32BE(crc32(body));
  return Buffer.concat([ends[0], body, ends[1]]);
}

/** What a text chunk may hold as Latin-1: printable characters and line feeds. */
const isLatin1 = (text: string): boolean => /^[\n\x20-\x7e\xa1-\xff]*$/.test(text);

function textChunk([keyword, text]: [string, string]): Buffer {
  if (!/^[\x21-\x7e](?:[\x20-\x7e]{0,77}[\x21-\x7e])?$/.test(keyword)) throw new RangeError(`PNG text: not a keyword: "${keyword}"`);
  if (isLatin1(text)) return chunk('tEXt', Buffer.from(`${keyword}\0${text}`, 'latin1'));
  // Not compressed, no language, no translated keyword.
  return chunk('iTXt', Buffer.concat([Buffer.from(`${keyword}\0\0\0\0\0`, 'latin1'), Buffer.from(text, 'utf8')]));
}

/** `png` with texts behind its header. @throws RangeError for a keyword PNG does not allow */
export function addPngText(png: Buffer, text: PngText): Buffer {
  const header = SIGNATURE + AROUND + png.readUInt32BE(SIGNATURE);
  return Buffer.concat([png.subarray(0, header), ...Object.entries(text).map(textChunk), png.subarray(header)]);
}

/** All texts of a PNG, none where it is damaged or another kind of file. Of a repeated keyword the last counts. */
export function readPngText(bytes: Buffer): PngText {
  const found: Record<string, string> = {};
  if (bytes.toString('latin1', 1, 4) !== 'PNG') return found;
  for (let at = SIGNATURE; at + AROUND <= bytes.length; ) {
    const end = at + AROUND + bytes.readUInt32BE(at);
    if (end > bytes.length) break;
    const entry = parseText(bytes.toString('latin1', at + 4, at + 8), bytes.subarray(at + 8, end - 4));
    if (entry) found[entry[0]] = entry[1];
    at = end;
  }
  return found;
}

/** More than any program writes; a small chunk may claim to hold gigabytes. */
const MOST_TEXT = 1 << 20;

function parseText(type: string, data: Buffer): [string, string] | undefined {
  const zero = data.indexOf(0);
  if (zero < 1) return undefined;
  const keyword = data.toString('latin1', 0, zero);
  if (type === 'tEXt') return [keyword, data.toString('latin1', zero + 1)];
  if (type !== 'iTXt') return undefined;
  const translated = data.indexOf(0, zero + 3);
  const start = translated < 0 ? -1 : data.indexOf(0, translated + 1) + 1;
  if (start <= 0) return undefined;
  try {
    const text = data.subarray(start);
    return [keyword, (data[zero + 1] === 1 ? inflateSync(text, { maxOutputLength: MOST_TEXT }) : text).toString('utf8')];
  } catch {
    return undefined;
  }
}
