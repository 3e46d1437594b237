/** Sheets of labelled pictures: rows and columns with headings, on white. */
import type { Image } from '../../model/image.js';
import { blank, paste, starts, toHeight } from './grid.js';
import { ascentOf, drawTexts, lineHeightOf, textWidth, wrapText, type Text, type TextStyle } from './text.js';

export interface SheetRow {
  /** Left of the row. */
  readonly label?: string;
  /** `undefined` leaves a place empty. */
  readonly cells: readonly (Image | undefined)[];
  /** Under each picture. */
  readonly captions?: readonly string[];
}

export interface Sheet {
  readonly title?: string;
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

/** Letters grow with the pictures, within what reads well on a page. */
function stylesFor(height: number) {
  const size = Math.min(20, Math.max(13, Math.round(height / 13)));
  const style = (scale: number, weight: TextStyle['weight'], ink: number): TextStyle => ({ size: scale * size, weight, ink });
  return {
    /** A title, a heading or a label has at least this much room before it wraps. */
    leastRoom: 6.5 * size,
    title: style(1.4, 'bold', 0.07), note: style(1, 'regular', 0.3), heading: style(1, 'bold', 0.07),
    label: style(1, 'regular', 0.07), caption: style(0.92, 'regular', 0.2),
  };
}

type Styles = ReturnType<typeof stylesFor>;

const wrapped = (text: string | undefined, room: number, style: TextStyle): string[] => (text ? wrapText(text, room, style) : []);
const widest = (lines: readonly string[], style: TextStyle): number =>
  Math.ceil(Math.max(0, ...lines.map((line) => textWidth(line, style))));

/** Collects lines of text for `drawTexts`. */
function writer() {
  const texts: Text[] = [];
  /** Places lines below `top`, each in the middle of `width` if that is given, and returns the position below them. */
  const write = (lines: readonly string[], style: TextStyle, left: number, top: number, width?: number): number => {
    lines.forEach((text, i) => {
      const indent = width === undefined ? 0 : Math.round((width - textWidth(text, style)) / 2);
      texts.push({ text, left: left + indent, baseline: top + i * lineHeightOf(style) + ascentOf(style), style });
    });
    return top + lines.length * lineHeightOf(style);
  };
  return { texts, write };
}

/** The columns' headings, lefts and widths, the labels of the rows, and the width of the whole. */
function columnsOf({ title = '', columns = [], rows, height }: Sheet, cells: readonly SheetRow['cells'][], styles: Styles) {
  const labels = rows.map(({ label }) => wrapped(label, Math.max(0.8 * height, styles.leastRoom), styles.label));
  const labelWidth = widest(labels.flat(), styles.label);
  const widths = Array.from({ length: Math.max(...cells.map((row) => row.length)) }, (_, i) =>
    Math.max(1, ...cells.map((row) => row[i]?.width ?? 0)));
  const headings = widths.map((width, i) => wrapped(columns[i], Math.max(width, styles.leastRoom), styles.heading));
  const rooms = widths.map((width, i) => Math.max(width, widest(headings[i]!, styles.heading)));
  const lefts = starts(rooms, GAP).map((left) => MARGIN + (labelWidth && labelWidth + 2 * GAP) + left);
  const titleWidth = Math.min(widest([title], styles.title), 5 * styles.leastRoom);
  return { labels, headings, rooms, lefts, width: Math.max(lefts.at(-1)! - GAP, MARGIN + titleWidth) + MARGIN };
}

/** Draws the sheet. Pictures are scaled to its height; a column is as wide as its widest picture or heading. */
export async function drawSheet(sheet: Sheet): Promise<Image> {
  const { title, note, rows, height } = sheet;
  const cells = await Promise.all(rows.map((row) => Promise.all(row.cells.map((cell) => cell && toHeight(cell, height)))));
  const styles = stylesFor(height);
  const { labels, headings, rooms, lefts, width } = columnsOf(sheet, cells, styles);
  const { texts, write } = writer();
  const belowTitle = write(wrapped(title, width - 2 * MARGIN, styles.title), styles.title, MARGIN, MARGIN);
  const belowNote = write(wrapped(note, width - 2 * MARGIN, styles.note), styles.note, MARGIN, belowTitle);
  const headingsTop = belowNote > MARGIN ? belowNote + GAP : MARGIN;
  const most = Math.max(0, ...headings.map((lines) => lines.length));
  // Short headings stand on the line of the long ones, next to the pictures.
  headings.forEach((lines, i) => {
    write([...Array<string>(most - lines.length).fill(''), ...lines], styles.heading, lefts[i]!, headingsTop, rooms[i]!);
  });
  let top = headingsTop + most * lineHeightOf(styles.heading) + (most && 2);
  const tops = rows.map(({ captions = [] }, r) => {
    const at = top;
    const labelHeight = labels[r]!.length * lineHeightOf(styles.label);
    write(labels[r]!, styles.label, MARGIN, at + Math.max(0, Math.round((height - labelHeight) / 2)));
    const ends = captions.map((text, i) =>
      write(wrapped(text, rooms[i]!, styles.caption), styles.caption, lefts[i]!, at + height + 2, rooms[i]!));
    top = Math.max(at + height, at + labelHeight, ...ends) + GAP;
    return at;
  });
  const image = blank(width, top - GAP + MARGIN);
  cells.forEach((row, r) => row.forEach((cell, i) => {
    if (cell) paste(image, cell, lefts[i]! + Math.floor((rooms[i]! - cell.width) / 2), tops[r]!);
  }));
  await drawTexts(image, texts);
  return image;
}
