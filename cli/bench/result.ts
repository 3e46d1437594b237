/** The result of every mode of `bench`: its file, and the comparison of two. */
import type { AdapterSummary } from '../gpu/device.js';
import { InputError } from '../shared/errors.js';
import { readInput } from '../shared/files.js';
import { digits, percent, table } from '../shared/table.js';

/** A measurement. */
export interface Measured {
  readonly name: string;
  /** Median milliseconds. */
  readonly ms: number;
  /** Half the interquartile range of the samples, as a share of the median. */
  readonly noise: number;
}

export interface BenchResult {
  readonly what: 'roof' | 'kernels' | 'step' | 'detail';
  readonly adapter: AdapterSummary;
  /** The row of the tuning table that chose the kernels. */
  readonly kernels: string;
  /** The options that decide what was measured. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly rows: readonly Measured[];
}

const MAX_BYTES = 1e8;
/** A smaller difference never counts, even if the samples of a run vary less. */
const LEAST_CHANGE = 0.03;

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
  const hasRows = Array.isArray(parsed?.rows) && parsed.rows.every(isRow);
  if (!hasRows) throw new InputError(`${path} holds no measurements: give a file that bench --save wrote`);
  if (parsed.what === what) return parsed as BenchResult;
  throw new InputError(`${path} holds bench ${parsed.what}: compare it with bench ${parsed.what}, not ${what}`);
}

/**
 * Compares rows by name: milliseconds, speedup (above 1 is faster), verdict. A difference counts when it is larger than the noise
 * of both together, and at least 3 %; else the verdict is empty.
 */
export function compare(before: readonly Measured[], after: readonly Measured[]) {
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

/** The comparison for people, with the differences between the two set-ups. */
export function showChanges(path: string, before: BenchResult, after: BenchResult): string {
  const differs = Object.keys({ ...before.options, ...after.options })
    .filter((key) => JSON.stringify(before.options[key]) !== JSON.stringify(after.options[key]))
    .map((key) => `${key} was ${JSON.stringify(before.options[key])}`);
  if (before.adapter?.device !== after.adapter.device) differs.push(`adapter was ${before.adapter?.device}`);
  const rows = compare(before.rows, after.rows).map(({ name, speedup, noise, verdict, ...ms }) =>
    [name, digits(ms.before), digits(ms.after), `${speedup.toFixed(2)}x`, `+-${percent(noise)}`, verdict]);
  return [
    `against ${path}${differs.length > 0 ? ` (different: ${differs.join(', ')})` : ''}`,
    table([['', 'before ms', 'now ms', 'speedup', 'noise', ''], ...rows]),
    'noise: twice the half interquartile ranges of both, at least 3 %; a verdict is given only for a larger change',
  ].join('\n');
}
