/** The work of `splice-gpu batch`: one transfer after the other, each in a folder of its own, and a page that shows them all. */
import { basename, join, resolve } from 'node:path';
import { lockFolder } from '../../shared/lock.js';
import type { Parts } from '../../run/parts.js';
import { errorLine, EXIT_INTERRUPTED, InputError, NoAdapterError } from '../../shared/errors.js';
import { prepareFolder, writeFileAtomic } from '../../shared/files.js';
import { ensureTransfer } from '../ensure.js';
import type { TransferOptions } from '../options.js';
import { readOutcome } from './outcome.js';
import { reportPage, type PairResult } from './page.js';
import type { Pair } from './pairs.js';
import { writeLine } from '../../shared/progress.js';

/** A pair with all that `transfer` takes for it. */
export interface BatchPair extends Pair {
  readonly options: TransferOptions;
}

export interface BatchOptions {
  /** The CSV file or folder. */
  readonly source: string;
  readonly pairs: readonly BatchPair[];
  readonly out: string;
  readonly json: boolean;
}

/** The page has all pairs, so writing it after each of thousands that are done already would take most of the time. */
const PAGE_SHARE = 1 / 20;

/** Completes the pairs: what becomes of each is put into `results`, and `show` writes the page if that is due. */
export type RunPairs = (results: PairResult[], show: (isLast?: boolean) => Promise<void>) => Promise<object | void>;

/** Returns the exit code: 0 when every pair is done, 1 when any failed, 130 when interrupted. */
export const batch = (options: BatchOptions, parts: Parts): Promise<number> =>
  batchBy(options, parts, (results, show) => runPairs(options, parts, results, show));

/** A batch whose pairs `run` completes; it may return further fields of the summary. Returns the exit code as `batch`. */
export async function batchBy(options: BatchOptions, parts: Parts, run: RunPairs): Promise<number> {
  const { source, pairs, out, json } = options;
  const undo = await prepareFolder(out);
  let unlock: (() => Promise<void>) | undefined;
  try {
    unlock = await lockFolder(out);
    const results = pairs.map(({ name, settings }): PairResult => ({ name, settings, status: 'waiting' }));
    const show = pageWriter(options, results);
    const further = await run(results, show);
    await show(true);
    const count = (status: PairResult['status']) => results.filter((result) => result.status === status).length;
    const page = resolve(out, 'report.html');
    const counts = { pairs: pairs.length, done: count('done'), failed: count('failed') };
    const summary = { out: resolve(out), report: page, ...counts, ...further, results };
    const sentence = `${summary.done} of ${pairs.length} pairs of ${basename(source)} done, ${summary.failed} failed: ${page}`;
    parts.stdout.write(`${json ? JSON.stringify(summary) : sentence}\n`);
    if (count('interrupted') + count('waiting') > 0) return EXIT_INTERRUPTED;
    return summary.failed > 0 ? 1 : 0;
  } finally {
    await unlock?.();
    await undo();
  }
}

/** Writes the page, unless it was written a moment ago and more is to come. */
function pageWriter({ source, pairs, out }: BatchOptions, results: readonly PairResult[]) {
  const title = `${basename(source)}, ${pairs.length} pairs`;
  let due = -Infinity;
  return async (isLast = false): Promise<void> => {
    const began = performance.now();
    if (began < due && !isLast) return;
    await writeFileAtomic(join(out, 'report.html'), reportPage(title, results));
    due = performance.now() + (performance.now() - began) / PAGE_SHARE;
  };
}

async function runPairs(
  { pairs }: BatchOptions, parts: Parts, results: PairResult[], show: () => Promise<void>,
): Promise<void> {
  for (const [i, pair] of pairs.entries()) {
    if (parts.interrupt.aborted) break;
    writeLine(parts.stderr, `[${i + 1}/${pairs.length}] ${pair.name}`);
    results[i] = await runPair(pair, parts);
    await show();
  }
}

/** Completes one pair, from wherever an earlier batch left it. Only an error that would stop every pair is thrown. */
async function runPair(pair: BatchPair, parts: Parts): Promise<PairResult> {
  const { name, settings, options } = pair;
  const about = { name, settings };
  try {
    const onOther = (setting: string): never => {
      throw otherRun(pair, setting);
    };
    const code = await ensureTransfer(options, parts, { onOther, note: (text) => writeLine(parts.stderr, text) });
    const outcome = await readOutcome(options.out, name);
    return { ...about, ...outcome, status: code === 0 ? 'done' : 'interrupted' };
  } catch (error) {
    if (error instanceof NoAdapterError) throw error;
    const line = errorLine(error) ?? String(error);
    writeLine(parts.stderr, `${pair.where}: ${line}`);
    return { ...about, ...(await readOutcome(options.out, name)), status: 'failed', error: line };
  }
}

/** The error for a folder whose run has another `setting` than the pair. */
export function otherRun({ options: { out }, where }: BatchPair, setting: string): InputError {
  const remedy = `put the setting back, choose another --out, or give ${where} another name`;
  return new InputError(`${out} holds a run with another ${setting}: ${remedy}`);
}
