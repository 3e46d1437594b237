/**
 * log.jsonl and timings.jsonl. The log holds only what a run computes, so that the same run on the same device writes the same
 * bytes whether or not it was interrupted. Times are in a separate file.
 */
import { createHash } from 'node:crypto';
import { appendFile, open, stat, truncate } from 'node:fs/promises';
import { dirname } from 'node:path';
import { LOG_EVERY, logLine, type LogPart } from '../../model/training/log.js';
import type { StepLosses } from '../../model/training/run.js';
import { fileError, InputError } from '../shared/errors.js';
import { parseJson, sha256, syncFolder, writeFileAtomic } from '../shared/files.js';
import { RESTORE } from './config.js';
import { MAX_TEXT, readBounded, readText } from '../shared/read.js';

export interface RunLog {
  /** The first entry, once there is one. */
  first(): StepLosses | undefined;
  /** `ms` are the mean milliseconds per step since the entry before. */
  append(entry: StepLosses, ms: number): Promise<void>;
  /** Syncs the log to the disk. Returns the part that a longer run also writes: not a last line between two tens. */
  keep(): Promise<LogPart>;
  /** Cuts both files back to the log's first `bytes` and returns its entries. @throws InputError for damaged lines */
  rewind(bytes: number): Promise<StepLosses[]>;
  /** Why the log does not begin as a checkpoint says; undefined if it does. */
  problemOf(part: LogPart): Promise<string | undefined>;
}

export function runLog(path: string, timingsPath: string): RunLog {
  let written = createHash('sha256');
  let [bytes, kept]: [number, LogPart] = [0, { logBytes: 0 }];
  let first: StepLosses | undefined;
  const keepAll = (): void => void (kept = { logBytes: bytes, logSha256: written.copy().digest('hex') });
  const size = () => stat(path).then((found) => found.size, () => 0);
  return {
    first: () => first,
    append: async (entry, ms) => {
      first ??= entry;
      const line = logLine(entry);
      await writing(path, appendFile(path, line));
      await writing(timingsPath, appendFile(timingsPath, JSON.stringify({ step: entry.step, ms }) + '\n'));
      bytes += Buffer.byteLength(line);
      written.update(line);
      if (entry.step % LOG_EVERY === 0) keepAll();
    },
    keep: async () => {
      if (kept.logBytes > 0) {
        await writing(path, syncFile(path));
        await syncFolder(dirname(path)); // or the name may be lost
      }
      return kept;
    },
    rewind: async (to) => {
      if ((await size()) > to) await writing(path, truncate(path, to));
      const text = to > 0 ? await writing(path, readText(path)) : '';
      const entries = to > 0 ? parseLog(path, text) : [];
      await cutTimings(timingsPath, entries.at(-1)?.step ?? -1);
      [bytes, written] = [to, createHash('sha256').update(text)];
      first = entries[0];
      keepAll();
      return entries;
    },
    problemOf: async ({ logBytes, logSha256 }) => {
      const found = await size();
      if (found < logBytes) return `${path} has ${found} bytes, a checkpoint needs ${logBytes} of it`;
      if (logSha256 === undefined || logBytes === 0) return undefined;
      const text = await writing(path, readBounded(path, { maxBytes: MAX_TEXT }));
      const isSame = sha256(text.subarray(0, logBytes)) === logSha256;
      return isSame ? undefined : `${path} is not as it was when a checkpoint was written`;
    },
  };
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
