/** Tables as spreadsheets write them: what they add for themselves is no content. */
import { CsvError, parse } from 'csv-parse/sync';
import { InputError } from '../../shared/errors.js';

export interface Row {
  /** By the names of the columns; a missing cell is empty. */
  readonly cells: Readonly<Record<string, string>>;
  readonly line: number;
}

/** Spreadsheets write the second in countries whose decimal point is a comma. */
const DELIMITERS = [',', ';', '\t'] as const;
/** The first line with which Excel is told the delimiter. */
const SAID = /^"?sep=([^\w"\r\n])"?[,;\t ]*(?:\r\n|\n|\r)/i;
const MAX_ROW_BYTES = 100_000;

/**
 * The rows below the first line, which names the columns. @param check throws when the names are wrong
 * @throws InputError naming the file or line, and for more than `mostRows`
 */
export function readTable(path: string, bytes: Buffer, mostRows: number, check: (names: readonly string[]) => void): Row[] {
  const text = decode(path, bytes);
  const said = SAID.exec(text);
  const body = said ? text.slice(said[0].length) : text;
  const lines = parseLines(path, body, said?.[1] ?? guessDelimiter(body), mostRows + 2);
  const names = (lines.shift()?.record ?? []).map((name) => name.trim().toLowerCase());
  check(names.filter((name) => name !== ''));
  if (lines.length > mostRows) throw new InputError(`${path} has more than ${mostRows} pairs: split it`);
  return lines.map(({ record, info }) => {
    const line = info.lines + (said ? 1 : 0);
    const stray = record.find((cell, i) => !names[i] && cell.trim() !== '');
    if (stray === undefined) return { cells: Object.fromEntries(names.map((name, i) => [name, record[i] ?? ''])), line };
    const problem = `${path} line ${line} has "${stray.slice(0, 60)}" in a column without a name`;
    throw new InputError(`${problem}: name the column in the first line; a value that holds a separator must be in quotes`);
  });
}

const columnsWith = (delimiter: string, line: string): number => line.split(delimiter).length;

/** The delimiter of the first line that names something. */
function guessDelimiter(text: string): string {
  const header = /^.*\p{L}.*$/mu.exec(text)?.[0] ?? '';
  return DELIMITERS.reduce((best, each) => (columnsWith(each, header) > columnsWith(best, header) ? each : best));
}

interface Line {
  readonly record: readonly string[];
  readonly info: { readonly lines: number };
}

const REMEDIES: Readonly<Record<string, string>> = {
  CSV_QUOTE_NOT_CLOSED: 'add the quote that is missing',
  CSV_INVALID_CLOSING_QUOTE: 'write a quote inside a value twice, or remove it',
  CSV_MAX_RECORD_SIZE: 'a quote or an end of line seems to be missing',
};

function parseLines(path: string, text: string, delimiter: string, most: number): Line[] {
  try {
    return parse(text, {
      delimiter, trim: true, relax_column_count: true, skip_empty_lines: true, skip_records_with_empty_values: true, info: true,
      record_delimiter: ['\r\n', '\n', '\r'], max_record_size: MAX_ROW_BYTES, to: most,
    }) as unknown as Line[];
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const remedy = REMEDIES[error.code] ?? 'save it as CSV with commas and UTF-8';
    throw new InputError(`${path} is not a valid CSV file (${error.message.split('\n')[0]}): ${remedy}`, { cause: error });
  }
}

/** UTF-8, or UTF-16 as the "Unicode text" of spreadsheets has it, known by its first bytes. */
function decode(path: string, bytes: Buffer): string {
  const encoding = { '\xff\xfe': 'utf-16le', '\xfe\xff': 'utf-16be' }[bytes.toString('latin1', 0, 2)] ?? 'utf-8';
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch (error) {
    throw new InputError(`${path} is not UTF-8 text: save it as CSV in UTF-8`, { cause: error });
  }
}
