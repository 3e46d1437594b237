/** The work of `splice-gpu sheet`: any pictures on one sheet, with headings. */
import { resolve } from 'node:path';
import { readImage } from '../photos/photo.js';
import type { Sheet, SheetRow } from '../photos/sheet.js';
import type { Parts } from '../run/parts.js';
import { UsageError } from '../shared/errors.js';
import { saveSheet, type SheetOptions } from './study.js';

export interface SheetCommandOptions extends SheetOptions, Pick<Sheet, 'title' | 'note' | 'columns'> {
  readonly images: readonly string[];
  /** Labels of the rows: the pictures are given row by row. A single row without a label when absent. */
  readonly rows?: readonly string[];
}

/** Writes the sheet. Returns the exit code. @throws UsageError when pictures, columns and rows do not fit together */
export async function sheet({ images, rows, out, json, ...text }: SheetCommandOptions, { stdout }: Parts): Promise<number> {
  const { columns } = text;
  const count = images.length / (rows?.length ?? 1);
  if (!Number.isInteger(count)) throw new UsageError(`--rows: ${images.length} pictures cannot fill ${rows!.length} rows`);
  if (columns && columns.length !== count) {
    throw new UsageError(`--columns: ${columns.length} headings for ${count} columns: give one for each`);
  }
  const cells = await Promise.all(images.map((path) => readImage(path)));
  const rowAt = (r: number): SheetRow['cells'] => cells.slice(r * count, (r + 1) * count);
  await saveSheet(out, { ...text, rows: rows?.map((label, r) => ({ label, cells: rowAt(r) })) ?? [{ cells }] });
  stdout.write(json ? `${JSON.stringify({ out: resolve(out), images: images.map((path) => resolve(path)) })}\n` : `${out}\n`);
  return 0;
}
