/** Texts inside a PNG: tEXt chunks, or iTXt if Latin-1 does not suffice (https://www.w3.org/TR/png-3/#11textinfo). */
import { inflateSync } from 'node:zlib';
import { crc32 } from '../../model/files/zip.js';
import { AROUND, chunksOf, SIGNATURE } from './png.js';

/** Keyword -> text. */
export type PngText = Readonly<Record<string, string>>;

export function chunk(type: string, data: Buffer): Buffer {
  const bytes = Buffer.concat([Buffer.alloc(4), Buffer.from(type, 'latin1'), data, Buffer.alloc(4)]);
  bytes.writeUInt32BE(data.length);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, -4)), bytes.length - 4);
  return bytes;
}

/** Whether a tEXt chunk may hold the text: printable characters of Latin-1 and line feeds. */
const isLatin1 = (text: string): boolean => /^[\n\x20-\x7e\xa1-\xff]*$/.test(text);

const KEYWORD = /^[\x21-\x7e](?:[\x20-\x7e]{0,77}[\x21-\x7e])?$/;

function textChunk([keyword, text]: [string, string]): Buffer {
  if (!KEYWORD.test(keyword)) throw new RangeError(`PNG text: not a keyword: "${keyword}"`);
  if (isLatin1(text)) return chunk('tEXt', Buffer.from(`${keyword}\0${text}`, 'latin1'));
  // Not compressed, no language, no translated keyword.
  return chunk('iTXt', Buffer.concat([Buffer.from(`${keyword}\0\0\0\0\0`, 'latin1'), Buffer.from(text, 'utf8')]));
}

/** `png` with texts after its header. @throws RangeError for a keyword that PNG does not allow */
export function addPngText(png: Buffer, text: PngText): Buffer {
  const header = SIGNATURE + AROUND + png.readUInt32BE(SIGNATURE);
  return Buffer.concat([png.subarray(0, header), ...Object.entries(text).map(textChunk), png.subarray(header)]);
}

/** All texts of a PNG, none if it is damaged or another kind of file. Of a repeated keyword the last text counts. */
export function readPngText(bytes: Buffer): PngText {
  if (bytes.toString('latin1', 1, 4) !== 'PNG') return {};
  const entries = [...chunksOf(bytes)].map(({ type, data }) => parseText(type, data));
  return Object.fromEntries(entries.filter((entry) => entry !== undefined));
}

/** More bytes than any program writes; a small chunk may claim to hold gigabytes. */
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

/** Keyword of the hash of the ViT that a result was trained with. */
export const MODEL_KEYWORD = 'Model SHA-256';

/** Keyword of the detail that was added to a result after its training. */
export const DETAIL_KEYWORD = 'Detail';

/** Keyword of the hash of the generator that painted a result, or that its training began with. */
export const GENERATOR_KEYWORD = 'Generator SHA-256';

/** Keyword of where a run began that took over the steps of another one. */
export const BRANCH_KEYWORD = 'Branch';

/** Of a picture between the structure photo, 0, and the result, 1. */
export const STRENGTH_KEYWORD = 'Strength';

/** Of a sequence: the frame that the picture is of. */
export const FRAME_KEYWORD = 'Frame SHA-256';

/** Keyword of the step from which on a result's regions were brushed. */
export const BRUSHED_KEYWORD = 'Brushed';

/** Keyword of the losses of a training's first step. */
export const LOSSES_KEYWORD = 'First losses';
