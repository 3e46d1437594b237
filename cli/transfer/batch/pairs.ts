/** The pairs of a batch: lines of a CSV file, or folders with a structure and an appearance photo each. */
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { CsvError, parse } from 'csv-parse/sync';
import { fileError, InputError } from '../../shared/errors.js';
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
/** Spreadsheets write the second in countries whose decimal point is a comma. */
const DELIMITERS = [',', ';', '\t'] as const;
/** Not a path, nothing that is special to shells or web pages, and nothing hidden. */
const NAME = /^[\p{L}\p{N}_][\p{L}\p{N}_. -]{0,99}$/u;
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
    pairs.push({ name: checkName(folder, name), ...photosOf, settings: {}, where: folder });
  }
  if (pairs.length > 0) return pairs;
  const remedy = 'give a folder whose subfolders hold a structure.* and an appearance.* photo, or a CSV file';
  throw new InputError(`${path} holds no pairs: ${remedy}`);
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
    if (other) throw new InputError(`${where} has the name "${own}" of ${other}: give each line its own in the column "name"`);
    taken.set(own.toLowerCase(), where);
    return { name: own, ...files, settings: Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== '')), where };
  });
}

function readLines(path: string, bytes: Buffer, settings: readonly string[]): Line[] {
  const text = decode(path, bytes);
  const header = text.split(/\r\n|\n|\r/, 1)[0]!;
  const columnsWith = (delimiter: string): number => header.split(delimiter).length;
  const delimiter = DELIMITERS.reduce((best, candidate) => (columnsWith(candidate) > columnsWith(best) ? candidate : best));
  try {
    const columns = (names: string[]) => checkColumns(path, names.map((name) => name.trim().toLowerCase()), settings);
    const lines = parse(text, {
      columns, delimiter, bom: true, trim: true, skip_empty_lines: true, skip_records_with_empty_values: true, info: true,
      max_record_size: 100_000,
    });
    if (lines.length === 0) throw new InputError(`${path} has no pairs: give a header line and a line for each pair`);
    return lines as unknown as Line[];
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const problem = error.message.split('\n')[0];
    throw new InputError(`${path} is not a valid CSV file (${problem}): save it as CSV with commas and UTF-8`, { cause: error });
  }
}

function checkColumns(path: string, names: readonly string[], settings: readonly string[]): string[] {
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
  throw new InputError(`${where}: "${name.slice(0, 60)}" is not a name for a folder: use only letters, digits, spaces, _ - .`);
}

/** `cow-as-highland`, with a number if that is taken: the same line of the same file gets the same name again. */
function unusedName(
  { structure, appearance }: Pick<Pair, 'structure' | 'appearance'>, taken: ReadonlyMap<string, string>,
): string {
  const plain = (name: string) => name.replace(/[^\p{L}\p{N}_-]+/gu, '-').replace(/^-+|-+$/g, '').slice(0, 40);
  const word = (path: string) => plain(basename(path, extname(path))) || 'photo';
  // Pairs in folders have files of the same names: their folder distinguishes them.
  const own = (path: string) => (/^(structure|appearance)$/i.test(word(path)) ? word(dirname(path)) : word(path));
  const base = own(structure) === own(appearance) ? own(structure) : `${own(structure)}-as-${own(appearance)}`;
  for (let n = 1; ; n++) {
    const name = n === 1 ? base : `${base}-${n}`;
    if (!taken.has(name.toLowerCase())) return name;
  }
}
