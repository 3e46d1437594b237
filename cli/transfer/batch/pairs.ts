/** The pairs of a batch: lines of a CSV file, or folders that hold a structure and an appearance photo each. */
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { CsvError, parse } from 'csv-parse/sync';
import { fileProblem, InputError } from '../../shared/errors.js';
import { readInput } from '../../shared/files.js';

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
/** Spreadsheets write the second where the comma is the decimal point. */
const DELIMITERS = [',', ';', '\t'] as const;
/** No path, nothing that shells or web pages read in a way of their own, and nothing hidden. */
const NAME = /^[\p{L}\p{N}_][\p{L}\p{N}_. -]{0,99}$/u;
const PHOTO = /^(structure|appearance)\.(png|jpe?g|webp|avif)$/i;

/**
 * @param settings names that columns may have beside `structure`, `appearance` and `name`
 * @throws InputError naming the line and the remedy
 */
export async function readPairs(path: string, settings: readonly string[]): Promise<Pair[]> {
  const found = await stat(path).catch((error: unknown) => {
    throw new InputError(`${path} ${fileProblem(error)}`, { cause: error });
  });
  const pairs = found.isDirectory() ? await pairFolders(path) : parsePairs(path, await readInput(path, MAX_BYTES), settings);
  if (pairs.length > MAX_PAIRS) throw new InputError(`${path} has ${pairs.length} pairs: at most ${MAX_PAIRS} are taken at once, split it`);
  return pairs;
}

async function pairFolders(path: string): Promise<Pair[]> {
  const folders = (await readdir(path, { withFileTypes: true })).filter((entry) => entry.isDirectory() || entry.isSymbolicLink()).map(({ name }) => name).sort();
  const pairs: Pair[] = [];
  for (const name of folders) {
    const files = await readdir(join(path, name)).catch(() => []);
    const photos = files.flatMap((file) => PHOTO.exec(file) ?? []).length > 0 ? files.filter((file) => PHOTO.test(file)) : [];
    if (photos.length === 0) continue;
    const of = (kind: string): string => {
      const matching = photos.filter((file) => file.toLowerCase().startsWith(`${kind}.`));
      if (matching.length === 1) return join(path, name, matching[0]!);
      throw new InputError(`${join(path, name)} has ${matching.length === 0 ? 'no' : 'more than one'} ${kind} photo: put exactly one ${kind}.png, .jpg, .webp or .avif there`);
    };
    pairs.push({ name: checkName(join(path, name), name), structure: of('structure'), appearance: of('appearance'), settings: {}, where: join(path, name) });
  }
  if (pairs.length === 0) throw new InputError(`${path} holds no pairs: give a folder whose subfolders hold a structure.* and an appearance.* photo, or a CSV file`);
  return pairs;
}

interface Line {
  readonly record: Readonly<Record<string, string>>;
  readonly info: { readonly lines: number };
}

/** The pairs of a CSV file. Paths are relative to it. @throws InputError naming the line */
export function parsePairs(path: string, bytes: Buffer, settings: readonly string[]): Pair[] {
  const taken = new Map<string, string>();
  return readLines(path, bytes, settings).map(({ record: { structure, appearance, name, ...rest }, info: { lines } }) => {
    const where = `${path} line ${lines}`;
    for (const [column, value] of Object.entries({ structure, appearance })) {
      if (!value) throw new InputError(`${where} has no ${column} photo: fill in the column "${column}"`);
    }
    const files = { structure: resolve(dirname(path), structure!), appearance: resolve(dirname(path), appearance!) };
    const own = name ? checkName(where, name) : unusedName(files, taken);
    const other = taken.get(own.toLowerCase());
    if (other) throw new InputError(`${where} has the name "${own}" of ${other}: give each line another in the column "name"`);
    taken.set(own.toLowerCase(), where);
    return { name: own, ...files, settings: Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== '')), where };
  });
}

function readLines(path: string, bytes: Buffer, settings: readonly string[]): Line[] {
  const text = decode(path, bytes);
  const header = text.split(/\r\n|\n|\r/, 1)[0]!;
  const delimiter = DELIMITERS.reduce((best, candidate) => (header.split(candidate).length > header.split(best).length ? candidate : best));
  try {
    const columns = (names: string[]) => checkColumns(path, names.map((name) => name.trim().toLowerCase()), settings);
    const lines = parse(text, { columns, delimiter, bom: true, trim: true, skip_empty_lines: true, skip_records_with_empty_values: true, info: true, max_record_size: 100_000 });
    if (lines.length === 0) throw new InputError(`${path} has no pairs: give a header line and a line for each pair`);
    return lines as unknown as Line[];
  } catch (error) {
    if (error instanceof CsvError) throw new InputError(`${path} is no proper CSV file (${error.message.split('\n')[0]}): save it again as CSV with commas and UTF-8`, { cause: error });
    throw error;
  }
}

function checkColumns(path: string, names: readonly string[], settings: readonly string[]): string[] {
  const known = ['structure', 'appearance', 'name', ...settings];
  for (const column of ['structure', 'appearance']) {
    if (!names.includes(column)) throw new InputError(`${path} has no column "${column}": its first line must name the columns, at least structure and appearance`);
  }
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new InputError(`${path} has an unknown column "${unknown.slice(0, 60)}": known are ${known.join(', ')}`);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new InputError(`${path} has the column "${twice}" twice: remove one`);
  return [...names];
}

function decode(path: string, bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new InputError(`${path} is not UTF-8 text: save it as CSV in UTF-8`, { cause: error });
  }
}

function checkName(where: string, name: string): string {
  if (NAME.test(name) && !/[. ]$/.test(name)) return name;
  throw new InputError(`${where}: "${name.slice(0, 60)}" is no name for a folder: use letters, digits, spaces, _ - and . only`);
}

/** `cow-as-highland`, with a number where that is taken: the same line of the same file gets the same name again. */
function unusedName({ structure, appearance }: { structure: string; appearance: string }, taken: ReadonlyMap<string, string>): string {
  const word = (path: string) => basename(path, extname(path)).replace(/[^\p{L}\p{N}_-]+/gu, '-').replace(/^-+|-+$/g, '').slice(0, 40) || 'photo';
  // Pairs in folders have files of the same names: their folder tells them apart.
  const own = (path: string) => (/^(structure|appearance)$/i.test(word(path)) ? word(dirname(path)) : word(path));
  const base = own(structure) === own(appearance) ? own(structure) : `${own(structure)}-as-${own(appearance)}`;
  for (let n = 1; ; n++) {
    const name = n === 1 ? base : `${base}-${n}`;
    if (!taken.has(name.toLowerCase())) return name;
  }
}
