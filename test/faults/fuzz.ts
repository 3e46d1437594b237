/**
 * Damaged files for every reader. Each file must be read, or refused by an error for users, in five seconds of processor time.
 * Nothing may be left next to it. A child process reads the files, so that a crash counts as one failure.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InputError, UsageError } from '../../cli/shared/errors.js';
import { mutate } from './mutate.js';
import { place, readers, unchanged, type Reader } from './readers.js';

/** Processor time, which does not depend on what else the machine does. */
const MOST_CPU_MS = 5000;
/** Clock time without an answer, for a reader that waits forever. */
const MOST_SILENCE_MS = 60_000;

export interface FuzzReport {
  files: number;
  /** Refused by an error that names the file. The others were read: their damage is where no reader looks. */
  refused: number;
  slowestMs: number;
  /** One line for each file that was not survived. */
  failures: string[];
}

interface Answer {
  readonly index: number;
  readonly refused: boolean;
  readonly ms: number;
  readonly failure?: string;
}

/** Tries `count` damaged files on the reader `name`. */
export async function fuzz(name: string, count: number): Promise<FuzzReport> {
  const report: FuzzReport = { files: 0, refused: 0, slowestMs: 0, failures: [] };
  while (report.files < count) {
    const crash = await readInChild(name, report.files, count, ({ refused, ms, failure }) => {
      report.files++;
      if (refused) report.refused++;
      report.slowestMs = Math.max(report.slowestMs, ms);
      if (failure) report.failures.push(failure);
    });
    if (crash) report.failures.push(`${name} ${report.files++}: ${crash}`);
  }
  return report;
}

/** Reads files `from` .. `to` in one process. Returns how the process ended if it did not finish. */
function readInChild(name: string, from: number, to: number, onAnswer: (answer: Answer) => void): Promise<string | undefined> {
  const child: ChildProcess = fork(fileURLToPath(import.meta.url), [name, String(from), String(to)], {
    execArgv: [], // not those of the test runner
    stdio: ['ignore', 'inherit', 'ignore', 'ipc'],
  });
  return new Promise((resolve, reject) => {
    let silent = false;
    const onSilence = () => {
      silent = true;
      child.kill('SIGKILL');
    };
    let watch = setTimeout(onSilence, MOST_SILENCE_MS);
    child.on('message', (answer) => {
      clearTimeout(watch);
      watch = setTimeout(onSilence, MOST_SILENCE_MS);
      onAnswer(answer as Answer);
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(watch);
      const crash = silent ? `nothing for ${MOST_SILENCE_MS / 1000} s` : `the process ended with ${signal ?? code}`;
      resolve(code === 0 ? undefined : crash);
    });
  });
}

async function tryFile(name: string, reader: Reader, whole: Buffer, index: number, folder: string): Promise<Answer> {
  const { what, bytes } = mutate(whole, index);
  // Every other file passes the checksums.
  const damaged = reader.repair && index % 2 === 0 ? reader.repair(bytes) : bytes;
  const path = place(folder, reader, damaged);
  const began = process.cpuUsage();
  const error = await reader.read(path).then(() => undefined, (reason: unknown) => reason);
  const { user, system } = process.cpuUsage(began);
  const ms = (user + system) / 1000;
  const left = readdirSync(folder).join(' ');
  const problem = problemOf(error, ms) ?? (left === reader.fileName && unchanged(path, damaged) ? undefined : `left ${left}`);
  return { index, refused: error !== undefined, ms, ...(problem && { failure: `${name} ${index} (${what}): ${problem}` }) };
}

function problemOf(error: unknown, ms: number): string | undefined {
  if (ms > MOST_CPU_MS) return `took ${ms.toFixed(0)} ms`;
  if (error === undefined) return undefined;
  if (!(error instanceof InputError || error instanceof UsageError)) return `threw ${String(error)}`;
  return /[\n\r]/.test(error.message) ? `its error has several lines: ${JSON.stringify(error.message)}` : undefined;
}

async function child(name: string, from: number, to: number): Promise<void> {
  const reader = readers[name]!;
  const seeds = await reader.seeds();
  const folder = mkdtempSync(join(tmpdir(), 'splice-gpu-fuzz-'));
  try {
    for (let index = from; index < to; index++) {
      const answer = await tryFile(name, reader, seeds[index % seeds.length]!, index, folder);
      await new Promise((resolve) => process.send!(answer, resolve));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url) && process.send) {
  const [name, from, to] = process.argv.slice(2) as [string, string, string];
  await child(name, Number(from), Number(to));
  process.exit(0);
}
