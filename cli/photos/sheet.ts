/** Sheets of labelled pictures: rows and columns with headings, on white. */
import type { Image } from '../../model/image.js';
import { CELL, drawText, textWidth, wrapText } from './font.js';
import { blank, paste, starts, toHeight } from './grid.js';

export interface SheetRow {
  /** Left of the row. */
  readonly label?: string;
  /** `undefined` leaves a place empty. */
  readonly cells: readonly (Image | undefined)[];
  /** Under each picture. */
  readonly captions?: readonly string[];
}

export interface Sheet {
  readonly title: string;
  /** Smaller, below the title. */
  readonly note?: string;
  /** Headings. */
  readonly columns?: readonly string[];
  readonly rows: readonly SheetRow[];
  /** Height of every picture in pixels; widths follow. */
  readonly height: number;
}

const MARGIN = 16;
const GAP = 8;
/** A heading or a label has at least this many pixels before it wraps. */
const LEAST_WIDTH = 84;

/** Draws the sheet. Pictures are scaled to its height; a column is as wide as its widest picture. */
export async function drawSheet({ title, note, columns = [], rows, height }: Sheet): Promise<Image> {
  const cells = await Promise.all(rows.map((row) => Promise.all(row.cells.map((cell) => cell && toHeight(cell, height)))));
  const dot = height < 160 ? 1 : 2;
  const line = (CELL.height + 2) * dot;
  const linesOf = (text: string | undefined, room: number): string[] => (text ? wrapText(text, room, dot) : []);
  const labels = rows.map(({ label }) => linesOf(label, Math.max(height, LEAST_WIDTH)));
  const labelWidth = Math.max(0, ...labels.flat().map((text) => textWidth(text, dot) + GAP));
  const count = Math.max(...cells.map((row) => row.length));
  const widths = Array.from({ length: count }, (_, i) => Math.max(1, ...cells.map((row) => row[i]?.width ?? 0)));
  const lefts = starts(widths, GAP).map((left) => MARGIN + labelWidth + left);
  const width = Math.max(lefts.at(-1)! - GAP, MARGIN + Math.min(textWidth(title, dot + 1), 40 * CELL.width * dot)) + MARGIN;

  const texts: (readonly [text: string, left: number, top: number, dot: number])[] = [];
  /** Places lines of text and returns the position below them. */
  const write = (lines: readonly string[], left: number, top: number, size = dot, spacing = line): number => {
    lines.forEach((text, i) => texts.push([text, left, top + i * spacing, size]));
    return top + lines.length * spacing;
  };
  const belowTitle = write(wrapText(title, width - 2 * MARGIN, dot + 1), MARGIN, MARGIN, dot + 1, (CELL.height + 3) * (dot + 1));
  const headingsTop = write(linesOf(note, width - 2 * MARGIN), MARGIN, belowTitle, dot, (CELL.height + 3) * dot) + GAP;
  const headings = columns.map((text, i) => wrapText(text, Math.max(widths[i] ?? 0, LEAST_WIDTH), dot));
  let top = Math.max(headingsTop, ...headings.map((lines, i) => write(lines, lefts[i]!, headingsTop)));
  const tops = rows.map(({ captions = [] }, r) => {
    const at = top;
    write(labels[r]!, MARGIN, at + Math.max(0, Math.round((height - labels[r]!.length * line) / 2)));
    const captionsTop = at + height + 2 * dot;
    const ends = captions.map((text, i) => write(linesOf(text, widths[i]!), lefts[i]!, captionsTop));
    top = Math.max(captionsTop, ...ends) - 2 * dot + GAP;
    return at;
  });
  const image = blank(width, top - GAP + MARGIN);
  cells.forEach((row, r) => row.forEach((cell, i) => cell && paste(image, cell, lefts[i]!, tops[r]!)));
  for (const text of texts) drawText(image, ...text);
  return image;
}
