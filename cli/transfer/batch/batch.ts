/** The work of `splice-gpu batch`: one transfer after the other, each in a folder of its own, and a page that shows them all. */
import { access } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { reportPage, type PairResult } from './page.js';
import type { Pair } from './pairs.js';
import { readOutcome } from './outcome.js';
import { errorLine, EXIT_INTERRUPTED, InputError, NoAdapterError } from '../../shared/errors.js';
import { prepareFolder, writeFileAtomic } from '../../shared/files.js';
import { lockFolder } from '../../run/lock.js';
import { readSavedRun } from '../../run/config.js';
import { resumeTransfer, transfer, type TransferOptions, type TransferParts } from '../transfer.js';

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

/** Answers with the exit code: 0 when every pair is done, 1 when any failed, 130 when interrupted. */
export async function batch(options: BatchOptions, parts: TransferParts): Promise<number> {
  const { source, pairs, out, json } = options;
  const undo = await prepareFolder(out);
  let unlock: (() => Promise<void>) | undefined;
  try {
    unlock = await lockFolder(out);
    const results = await runPairs(options, parts);
    const count = (status: PairResult['status']) => results.filter((result) => result.status === status).length;
    const page = resolve(out, 'report.html');
    const summary = { out: resolve(out), report: page, pairs: pairs.length, done: count('done'), failed: count('failed'), results };
    parts.stdout.write(json ? `${JSON.stringify(summary)}\n` : `${summary.done} of ${pairs.length} pairs of ${basename(source)} done, ${summary.failed} failed: ${page}\n`);
    if (count('interrupted') + count('waiting') > 0) return EXIT_INTERRUPTED;
    return summary.failed > 0 ? 1 : 0;
  } finally {
    await unlock?.();
    await undo();
  }
}

async function runPairs({ source, pairs, out }: BatchOptions, parts: TransferParts): Promise<PairResult[]> {
  const results = pairs.map(({ name, settings }): PairResult => ({ name, settings, status: 'waiting' }));
  const writePage = () => writeFileAtomic(join(out, 'report.html'), reportPage(`${basename(source)}, ${pairs.length} pairs`, results));
  for (const [i, pair] of pairs.entries()) {
    if (parts.interrupt.aborted) break;
    parts.stderr.write(`[${i + 1}/${pairs.length}] ${pair.name}\n`);
    results[i] = await runPair(pair, parts);
    await writePage();
  }
  await writePage();
  return results;
}

/** One pair to its end, from wherever an earlier batch left it. Only what would stop every pair is thrown. */
async function runPair(pair: BatchPair, parts: TransferParts): Promise<PairResult> {
  const { name, settings, options } = pair;
  const about = { name, settings };
  try {
    const code = await goOn(pair, { ...parts, stdout: { write: () => undefined } });
    const outcome = await readOutcome(options.out, name);
    return { ...about, ...outcome, status: code === 0 ? 'done' : 'interrupted' };
  } catch (error) {
    if (error instanceof NoAdapterError) throw error;
    const line = errorLine(error) ?? String(error);
    parts.stderr.write(`${pair.where}: ${line}\n`);
    return { ...about, ...(await readOutcome(options.out, name)), status: 'failed', error: line };
  }
}

async function goOn({ options, where }: BatchPair, parts: TransferParts): Promise<number> {
  const exists = await access(join(options.out, 'config.json')).then(() => true, () => false);
  if (!exists) return transfer(options, parts);
  const resume = { folder: options.out, steps: options.splice.steps, json: false };
  const { options: saved, config } = await readSavedRun(resume);
  const changed = differenceOf(saved, options);
  if (changed) throw new InputError(`${options.out} holds a run with another ${changed}: delete that folder, or give ${where} another name`);
  const isDone = config['status'] === 'finished' && config['stepsDone'] === options.splice.steps;
  if (!isDone) return resumeTransfer(resume, parts);
  parts.stderr.write('done already\n');
  return 0;
}

/** The first setting in which a run begun earlier is not what its line says now. */
function differenceOf(saved: TransferOptions, wanted: TransferOptions): string | undefined {
  const flat = ({ structure, appearance, size, splice }: TransferOptions): Record<string, unknown> => ({ ...splice, size, structure: resolve(structure), appearance: resolve(appearance) });
  const [before, now] = [flat(saved), flat(wanted)];
  return Object.keys(now).find((name) => name !== 'steps' && JSON.stringify(before[name]) !== JSON.stringify(now[name]));
}
