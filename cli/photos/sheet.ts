/** Sheets of labelled pictures: rows and columns with headings, on white. */
import type { Image } from '../../model/image.js';
import { resizeImage } from './photo.js';
import { CELL, drawText, textWidth, wrapText } from './font.js';

export interface SheetRow {
  /** Stands before the row. */
  readonly label?: string;
  /** A missing picture leaves its place empty. */
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
/** A row's label is wrapped at this share of the pictures' height, in pixels; a letter needs room too. */
const LEAST_LABEL = 84;

/** Pixels of a letter's dot where pictures have this height. */
const dotFor = (height: number): number => (height < 160 ? 1 : 2);

interface Layout {
  readonly dot: number;
  readonly line: number;
  readonly labelWidth: number;
  readonly lefts: readonly number[];
  readonly widths: readonly number[];
  readonly width: number;
}

/** Draws the sheet. Pictures are brought to its height (Lanczos), so that a column is as wide as its widest. */
export async function drawSheet(sheet: Sheet): Promise<Image> {
  const rows = await Promise.all(sheet.rows.map(async (row) => ({ ...row, cells: await Promise.all(row.cells.map((cell) => cell && toHeight(cell, sheet.height))) })));
  const layout = layOut(sheet, rows);
  const { dot, line, width } = layout;
  const heading = [...block(sheet.title, width - 2 * MARGIN, dot + 1), ...(sheet.note ? block(sheet.note, width - 2 * MARGIN, dot) : [])];
  const columnLines = (sheet.columns ?? []).map((text, i) => wrapText(text, Math.max(layout.widths[i] ?? 0, LEAST_LABEL), dot));
  const columnsTop = MARGIN + heading.reduce((sum, { height }) => sum + height, 0) + GAP;
  let top = columnsTop + Math.max(0, ...columnLines.map((lines) => lines.length)) * line;
  const tops = rows.map(({ captions = [] }) => {
    const at = top;
    const deepest = Math.max(0, ...captions.map((text, i) => captionLines(text, layout, i).length));
    top += sheet.height + deepest * line + GAP;
    return at;
  });

  const image: Image = { width, height: top - GAP + MARGIN, data: new Float32Array(3 * width * (top - GAP + MARGIN)).fill(1) };
  let y = MARGIN;
  for (const { text, size, height } of heading) {
    drawText(image, text, MARGIN, y, size);
    y += height;
  }
  columnLines.forEach((lines, i) => lines.forEach((text, k) => drawText(image, text, layout.lefts[i]!, columnsTop + k * line, dot)));
  rows.forEach((row, r) => drawRow(image, row, tops[r]!, sheet.height, layout));
  return image;
}

function layOut(sheet: Sheet, rows: readonly SheetRow[]): Layout {
  const dot = dotFor(sheet.height);
  const columns = Math.max(...rows.map(({ cells }) => cells.length));
  const widths = Array.from({ length: columns }, (_, i) => Math.max(1, ...rows.map(({ cells }) => cells[i]?.width ?? 0)));
  const labels = rows.flatMap(({ label = '' }) => wrapText(label, Math.max(sheet.height, LEAST_LABEL), dot));
  const labelWidth = Math.max(0, ...labels.map((text) => (text ? textWidth(text, dot) + GAP : 0)));
  const lefts = widths.map((_, i) => MARGIN + labelWidth + widths.slice(0, i).reduce((sum, w) => sum + w + GAP, 0));
  const width = Math.max(lefts.at(-1)! + widths.at(-1)! + MARGIN, Math.min(textWidth(sheet.title, dot + 1), 40 * CELL.width * dot) + 2 * MARGIN);
  return { dot, line: (CELL.height + 2) * dot, labelWidth, lefts, widths, width };
}

/** Lines of a text with their height in pixels. */
const block = (text: string, width: number, size: number): { text: string; size: number; height: number }[] =>
  wrapText(text, width, size).map((line) => ({ text: line, size, height: (CELL.height + 3) * size }));

const captionLines = (text: string, { widths, dot }: Layout, column: number): string[] => (text ? wrapText(text, widths[column]!, dot) : []);

function drawRow(image: Image, { label, cells, captions = [] }: SheetRow, top: number, height: number, layout: Layout): void {
  const { dot, line } = layout;
  const lines = label ? wrapText(label, Math.max(height, LEAST_LABEL), dot) : [];
  const labelTop = top + Math.max(0, Math.round((height - lines.length * line) / 2));
  lines.forEach((text, k) => drawText(image, text, MARGIN, labelTop + k * line, dot));
  cells.forEach((cell, i) => {
    if (cell) paste(image, cell, layout.lefts[i]!, top);
    captionLines(captions[i] ?? '', layout, i).forEach((text, k) => drawText(image, text, layout.lefts[i]!, top + height + 2 * dot + k * line, dot));
  });
}

function paste(image: Image, part: Image, left: number, top: number): void {
  for (let row = 0; row < 3 * part.height; row++) {
    const [c, y] = [Math.floor(row / part.height), row % part.height];
    image.data.set(part.data.subarray(row * part.width, (row + 1) * part.width), (c * image.height + top + y) * image.width + left);
  }
}

const toHeight = async (image: Image, height: number): Promise<Image> =>
  image.height === height ? image : resizeImage(image, { width: Math.max(1, Math.round((image.width * height) / image.height)), height });
