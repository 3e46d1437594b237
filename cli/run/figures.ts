/**
 * figures.jsonl: the figures of the picture at every planned save and at the end of the run. Like the log it holds the same bytes
 * whether or not a run was interrupted. `step` counts the steps done, as the names of the previews do.
 */
import type { StepLosses } from '../../model/training/run.js';
import { fileError } from '../shared/errors.js';
import { exists, writeFileAtomic } from '../shared/files.js';
import { parseLog } from './log.js';
import { readText } from '../shared/read.js';

/** A picture's figures, by name, after `step` steps. */
export type PictureRow = StepLosses;

/** The rows so far; the file is written whole, since there are few. */
export function figureLog(path: string) {
  let rows: readonly PictureRow[] = [];
  const write = (next: readonly PictureRow[]): Promise<void> => {
    rows = next;
    return writeFileAtomic(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  };
  return {
    rows: () => rows,
    add: (row: PictureRow): Promise<void> => write([...rows, row]),
    /** Reads the file and drops the rows that a run which continues writes again. @throws InputError for damaged lines */
    rewind: async (isKept: (step: number) => boolean): Promise<void> => {
      const found = await readFigures(path);
      if (found.length > 0) await write(found.filter(({ step }) => isKept(step)));
    },
  };
}

/** None when there is no file: the run is older, or of a training whose pictures are not measured. @throws InputError as above */
export async function readFigures(path: string): Promise<PictureRow[]> {
  if (!(await exists(path))) return [];
  const text = await readText(path).catch((error: unknown) => {
    throw fileError(path, error);
  });
  return text === '' ? [] : parseLog(path, text);
}
