/**
 * Text for pictures, set in Lato (SIL Open Font License) from its npm package. Letters become outlines, which sharp fills: the
 * fonts of the system, which differ from machine to machine, are never asked for.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Font } from 'opentype.js';
import sharp from 'sharp';
import type { Image } from '../../model/image.js';

export interface TextStyle {
  /** Height of the em square in pixels. */
  readonly size: number;
  readonly weight: 'regular' | 'bold';
  /** Grey level: 0 black, 1 white. */
  readonly ink: number;
}

export interface Text {
  readonly text: string;
  /** Where the first letter begins, and where all letters stand, in pixels. */
  readonly left: number;
  readonly baseline: number;
  readonly style: TextStyle;
}

const FILES = { regular: 'lato-latin-400-normal.woff', bold: 'lato-latin-700-normal.woff' } as const;
const require = createRequire(import.meta.url);
const fonts = new Map<TextStyle['weight'], Font>();

function fontOf({ weight }: TextStyle): Font {
  let font = fonts.get(weight);
  if (!font) {
    const bytes = readFileSync(require.resolve(`@fontsource/lato/files/${FILES[weight]}`));
    // Loaded with the first text: most commands set none.
    const opentype = require('opentype.js') as typeof import('opentype.js');
    font = opentype.parse(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
    fonts.set(weight, font);
  }
  return font;
}

/** Distance of a line's top to its baseline, and to the top of the next line, in pixels. */
export const ascentOf = ({ size }: TextStyle): number => Math.round(0.97 * size);
export const lineHeightOf = ({ size }: TextStyle): number => Math.round(1.28 * size);

/** Width of a line of text in pixels. */
export const textWidth = (text: string, style: TextStyle): number => fontOf(style).getAdvanceWidth(text, style.size);

/** Where a line may end, the best places first: between words, after a sign inside a name, anywhere. */
const BREAKS = [/(?<= )/u, /(?<=[_./-])/u, /(?:)/u] as const;

/** Breaks `text` into lines of at most `room` pixels; only a letter that is wider than that has a longer line. */
export function wrapText(text: string, room: number, style: TextStyle): string[] {
  const lines: string[] = [];
  const fits = (line: string): boolean => textWidth(line.trimEnd(), style) <= room;
  const put = (part: string, level: number): void => {
    const [line, places] = [lines.at(-1), BREAKS[level]];
    if (line !== undefined && fits(line + part)) lines[lines.length - 1] = line + part;
    else if (fits(part) || !places) lines.push(part);
    else for (const piece of part.split(places)) put(piece, level + 1);
  };
  put(text, 0);
  return lines.map((line) => line.trimEnd());
}

/** The outline for an SVG path. The library's own `toPathData` writes NaN for some numbers. */
function outlineOf({ text, left, baseline, style }: Text): string {
  const at = (...numbers: readonly (number | undefined)[]): string => numbers.map((n) => n!.toFixed(2)).join(' ');
  return fontOf(style).getPath(text, left, baseline, style.size).commands.map((command) => {
    switch (command.type) {
      case 'Z': return 'Z';
      case 'Q': return `Q${at(command.x1, command.y1, command.x, command.y)}`;
      case 'C': return `C${at(command.x1, command.y1, command.x2, command.y2, command.x, command.y)}`;
      default: return `${command.type}${at(command.x, command.y)}`;
    }
  }).join('');
}

/** Draws texts over a picture, cut off at its edges. A letter that the typeface lacks is a box. */
export async function drawTexts({ width, height, data }: Image, texts: readonly Text[]): Promise<void> {
  const grey = (ink: number): string => `rgb(${Array(3).fill(Math.round(255 * ink)).join()})`;
  const paths = texts.map((text) => `<path fill="${grey(text.style.ink)}" d="${outlineOf(text)}"/>`).join('');
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${paths}</svg>`;
  const rgba = await sharp(Buffer.from(svg)).ensureAlpha().raw().toBuffer();
  const plane = width * height;
  for (let i = 0; i < plane; i++) {
    const alpha = rgba[4 * i + 3]! / 255;
    if (alpha === 0) continue;
    for (let c = 0; c < 3; c++) data[c * plane + i] = (1 - alpha) * data[c * plane + i]! + (alpha * rgba[4 * i + c]!) / 255;
  }
}
