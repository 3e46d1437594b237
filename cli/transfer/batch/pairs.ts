/** The pairs of a batch: lines of a CSV file, or folders with a structure and an appearance photo each. */
import { readdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { ADDRESS_PROBLEM, fileError, InputError, isAddress } from '../../shared/errors.js';
import { readInput } from '../../shared/files.js';
import { createNames } from './names.js';
import { readTable } from './table.js';

/** A pair, and its own settings as options of `transfer` without the dashes. */
export interface Pair {
  /** Its folder in the batch's. */
  readonly name: string;
  readonly structure: string;
  readonly appearance: string;
  readonly settings: Readonly<Record<string, string>>;
  /** `pairs.csv line 3`, for errors. */
  readonly where: string;
}

const MAX_BYTES = 16e6;
const MAX_PAIRS = 10_000;
/** Columns of label images. */
const LABELS = /^(structure|appearance)-regions$/;
const PHOTO = /^(structure|appearance)\.(png|jpe?g|webp|avif)$/i;

/**
 * @param settings names that columns may have besides `structure`, `appearance` and `name`
 * @throws InputError naming the line and the remedy
 */
export async function readPairs(path: string, settings: readonly string[]): Promise<Pair[]> {
  const found = await stat(path).catch((error: unknown) => {
    throw fileError(path, error);
  });
  const pairs = found.isDirectory()
    ? await pairFolders(path) : parsePairs(path, await readInput(path, MAX_BYTES, { pipes: true }), settings);
  if (pairs.length <= MAX_PAIRS) return pairs;
  throw new InputError(`${path} has ${pairs.length} pairs: at most ${MAX_PAIRS} are taken at once, split it`);
}

async function pairFolders(path: string): Promise<Pair[]> {
  const entries = await readdir(path, { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory() || entry.isSymbolicLink()).map(({ name }) => name).sort();
  const pairs: Pair[] = [];
  const names = createNames();
  for (const name of folders) {
    const folder = join(path, name);
    const photos = (await readdir(folder).catch(() => [])).filter((file) => PHOTO.test(file));
    if (photos.length === 0) continue;
    const of = (kind: string): string => {
      const matching = photos.filter((file) => file.toLowerCase().startsWith(`${kind}.`));
      if (matching.length === 1) return join(folder, matching[0]!);
      const number = matching.length === 0 ? 'no' : 'more than one';
      throw new InputError(`${folder} has ${number} ${kind} photo: put exactly one ${kind}.png, .jpg, .webp or .avif there`);
    };
    const photosOf = { structure: of('structure'), appearance: of('appearance') };
    pairs.push({ name: names.given(name, folder), ...photosOf, settings: {}, where: folder });
  }
  if (pairs.length > 0) return pairs;
  const remedy = 'give a folder whose subfolders hold a structure.* and an appearance.* photo, or a CSV file';
  throw new InputError(`${path} holds no pairs: ${remedy}`);
}

/** The pairs of a CSV file. Paths are relative to it. @throws InputError naming the line */
export function parsePairs(path: string, bytes: Buffer, settings: readonly string[]): Pair[] {
  const rows = readTable(path, bytes, MAX_PAIRS, (columns) => checkColumns(path, columns, settings));
  if (rows.length === 0) throw new InputError(`${path} has no pairs: give a header line and a line for each pair`);
  const names = createNames();
  return rows.map(({ cells: { structure, appearance, name, ...rest }, line }) => {
    const where = `${path} line ${line}`;
    const fileOf = (column: string, value = ''): string => {
      if (value === '') throw new InputError(`${where} has no ${column} photo: fill in the column "${column}"`);
      if (isAddress(value)) throw new InputError(`${where}: ${value.slice(0, 100)} ${ADDRESS_PROBLEM}`);
      return resolve(dirname(path), value);
    };
    const photos = { structure: fileOf('structure', structure), appearance: fileOf('appearance', appearance) };
    const own = name ? names.given(name, where) : names.made(photos, where);
    const given = Object.entries(rest).filter(([column, value]) => column !== '' && value !== '')
      .map(([column, value]) => [column, LABELS.test(column) ? fileOf(column, value) : value] as const);
    return { name: own, ...photos, settings: Object.fromEntries(given), where };
  });
}

function checkColumns(path: string, names: readonly string[], settings: readonly string[]): void {
  const known = ['structure', 'appearance', 'name', ...settings];
  const missing = ['structure', 'appearance'].find((column) => !names.includes(column));
  const remedy = 'its first line must name the columns, at least structure and appearance';
  if (missing) throw new InputError(`${path} has no column "${missing}": ${remedy}`);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new InputError(`${path} has an unknown column "${unknown.slice(0, 60)}": known are ${known.join(', ')}`);
  }
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new InputError(`${path} has the column "${twice}" twice: remove one`);
}
