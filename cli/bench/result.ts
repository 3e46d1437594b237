/** What every mode of `bench` measures into, how it is kept, and how two of them are compared. */
import { readInput, writeJson } from '../shared/files.js';
import { InputError } from '../shared/errors.js';
import type { AdapterSummary } from '../gpu/device.js';
import { digits, percent, table } from '../shared/table.js';

/** One measured thing. */
export interface Measured {
  readonly name: string;
  /** Median milliseconds. */
  readonly ms: number;
  /** Half the interquartile range of the samples, as a share of the median. */
  readonly noise: number;
}

export interface BenchResult {
  readonly what: 'roof' | 'kernels' | 'step';
  readonly adapter: AdapterSummary;
  /** Which row of the tuning table the kernels came from. */
  readonly kernels: string;
  /** The options that decide what was measured. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly rows: readonly Measured[];
}

const MAX_BYTES = 1e8;
/** Below this a difference is never called one, however quiet the samples of a single run are. */
const LEAST_CHANGE = 0.03;

export const saveResult = (path: string, result: BenchResult): Promise<void> => writeJson(path, result);

/** @throws InputError when the file is not a result of the same mode */
export async function readResult(path: string, what: BenchResult['what']): Promise<BenchResult> {
  const bytes = await readInput(path, MAX_BYTES);
  let parsed: Partial<BenchResult>;
  try {
    parsed = JSON.parse(bytes.toString('utf8')) as Partial<BenchResult>;
  } catch (error) {
    throw new InputError(`${path} is not JSON: give a file that bench --save wrote`, { cause: error });
  }
  const isRow = (r: Partial<Measured> | null): boolean => typeof r?.name === 'string' && Number.isFinite(r.ms);
  if (!Array.isArray(parsed?.rows) || !parsed.rows.every(isRow)) throw new InputError(`${path} holds no measurements: give a file that bench --save wrote`);
  if (parsed.what !== what) throw new InputError(`${path} holds bench ${parsed.what}: compare it with bench ${parsed.what}, not ${what}`);
  return parsed as BenchResult;
}

/** A row of both results. `verdict` is empty where the difference may be noise. */
export interface Change {
  readonly name: string;
  readonly before: number;
  readonly after: number;
  /** before / after: above 1 is faster. */
  readonly speedup: number;
  readonly noise: number;
  readonly verdict: 'faster' | 'slower' | '';
}

/** Rows by name; a difference counts when it is larger than the noise of both together, and 3 % at least. */
export function compare(before: readonly Measured[], after: readonly Measured[]): Change[] {
  const known = new Map(before.map((row) => [row.name, row]));
  return after.flatMap((row) => {
    const old = known.get(row.name);
    if (!old) return [];
    const speedup = old.ms / row.ms;
    const noise = Math.max(LEAST_CHANGE, 2 * Math.hypot(old.noise || 0, row.noise || 0));
    const verdict = speedup > 1 + noise ? 'faster' : speedup < 1 / (1 + noise) ? 'slower' : '';
    return [{ name: row.name, before: old.ms, after: row.ms, speedup, noise, verdict }];
  });
}

/** The comparison for people, with what differs between the two set-ups. */
export function showChanges(path: string, before: BenchResult, after: BenchResult): string {
  const changes = compare(before.rows, after.rows);
  const differs = Object.keys({ ...before.options, ...after.options })
    .filter((key) => JSON.stringify(before.options[key]) !== JSON.stringify(after.options[key]))
    .map((key) => `${key} was ${JSON.stringify(before.options[key])}`);
  if (before.adapter?.device !== after.adapter.device) differs.push(`adapter was ${before.adapter?.device}`);
  const rows = changes.map((c) => [c.name, digits(c.before), digits(c.after), `${c.speedup.toFixed(2)}x`, `+-${percent(c.noise)}`, c.verdict]);
  return [
    `against ${path}${differs.length > 0 ? ` (not alike: ${differs.join(', ')})` : ''}`,
    table([['', 'before ms', 'now ms', 'speedup', 'noise', ''], ...rows]),
    'noise: twice the half interquartile ranges of both, at least 3 %; a verdict stands only where the change is larger',
  ].join('\n');
}
