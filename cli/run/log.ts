/**
 * log.jsonl and timings.jsonl. The log holds only what a run computes, so that the same run on the same device writes the same
 * bytes whether or not it was interrupted. Times are in a separate file.
 */
import { appendFile, open, stat, truncate } from 'node:fs/promises';
import type { StepLosses } from '../../model/training/run.js';
import { fileError, InputError } from '../shared/errors.js';
import { parseJson, writeFileAtomic } from '../shared/files.js';
import { RESTORE } from './config.js';
import { readText } from '../shared/read.js';

/** Steps between two lines of the log; the last step has one too. */
export const LOG_EVERY = 10;

export interface RunLog {
  /** `ms` are the mean milliseconds per step since the entry before. */
  append(entry: StepLosses, ms: number): Promise<void>;
  /** Syncs the log to the disk. Returns the bytes that a longer run also writes: not a last line between two tens. */
  keep(): Promise<number>;
  /** Cuts both files back to the log's first `bytes` and returns its entries. @throws InputError for damaged lines */
  rewind(bytes: number): Promise<StepLosses[]>;
  /** Bytes of log.jsonl on the disk. */
  size(): Promise<number>;
}

export function runLog(path: string, timingsPath: string): RunLog {
  let [written, kept] = [0, 0];
  const size = () => stat(path).then((found) => found.size, () => 0);
  return {
    append: async (entry, ms) => {
      const line = JSON.stringify(entry) + '\n';
      await writing(path, appendFile(path, line));
      await writing(timingsPath, appendFile(timingsPath, JSON.stringify({ step: entry.step, ms }) + '\n'));
      written += Buffer.byteLength(line);
      if (entry.step % LOG_EVERY === 0) kept = written;
    },
    keep: async () => {
      if (kept > 0) await writing(path, syncFile(path));
      return kept;
    },
    rewind: async (bytes) => {
      if ((await size()) > bytes) await writing(path, truncate(path, bytes));
      const entries = bytes > 0 ? parseLog(path, await writing(path, readText(path))) : [];
      await cutTimings(timingsPath, entries.at(-1)?.step ?? -1);
      [written, kept] = [bytes, bytes];
      return entries;
    },
    size,
  };
}

/** Mean total loss over the logged ones of the last 50 steps; undefined when there is none. */
export function recentTotal(log: readonly StepLosses[], stepsDone: number): number | undefined {
  const recent = log.filter(({ step, total }) => step >= stepsDone - 50 && total !== undefined).map(({ total }) => total!);
  return recent.length > 0 ? recent.reduce((sum, total) => sum + total, 0) / recent.length : undefined;
}

/** @throws InputError naming the first line that is not an entry */
export function parseLog(path: string, text: string): StepLosses[] {
  return text.trimEnd().split('\n').map((line, i) => {
    const entry = parseJson(line);
    const values = Object.values(entry ?? {});
    const areNumbers = values.length > 1 && values.every((value) => typeof value === 'number');
    if (areNumbers && typeof entry?.['step'] === 'number') return entry as unknown as StepLosses;
    throw new InputError(`${path} is damaged in line ${i + 1}: ${RESTORE}`);
  });
}

/** Drops the timings of steps after `lastStep`, and lines that were cut short. */
async function cutTimings(path: string, lastStep: number): Promise<void> {
  const text = await readText(path).catch(() => '');
  const lines = text.split('\n').filter((line) => Number(parseJson(line)?.['step'] ?? Infinity) <= lastStep);
  if (text) await writeFileAtomic(path, lines.map((line) => `${line}\n`).join(''));
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.datasync();
  } finally {
    await file.close();
  }
}

const writing = <T>(path: string, work: Promise<T>): Promise<T> =>
  work.catch((error: unknown) => {
    throw fileError(path, error);
  });
