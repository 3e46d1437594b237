/**
 * Ten thousand damaged checkpoints: `node dist/test/faults/checkpoints.js [COUNT]`. Each must be read, or refused with an error
 * of this project, within two seconds and 64 MB beyond its own size, and nothing in it may be executed. Exit code 1 otherwise.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CheckpointFileError } from '../../model/files/errors.js';
import { openCheckpoint } from '../../model/files/read.js';
import { looksLikeIndex, parseShardIndex } from '../../model/files/shards.js';
import { vitFromStored } from '../../model/vit/checkpoint.js';
import { CheckpointError } from '../../model/vit/errors.js';
import { op, tensorCodes, torchZip } from '../helpers/torchFiles.js';
import { bombs, kinds, seeds } from './checkpointFiles.js';

const MOST_MS = 2000;
const MOST_BYTES = 64e6;

export interface Outcome {
  /** `read` may be of a file that holds no ViT. */
  readonly result: 'read' | 'refused' | 'broken';
  readonly message: string;
  /** Processor time, which does not depend on what else the machine does. */
  readonly ms: number;
}

/** Reads everything in a file, as a command would. */
export function attempt(bytes: Buffer): Outcome {
  const began = process.cpuUsage();
  const done = (result: Outcome['result'], message = ''): Outcome => {
    const { user, system } = process.cpuUsage(began);
    return { result, message, ms: (user + system) / 1000 };
  };
  try {
    if (looksLikeIndex(bytes)) {
      parseShardIndex(bytes);
      return done('read');
    }
    const tensors = openCheckpoint(bytes);
    for (const tensor of tensors.values()) tensor.read();
    try {
      vitFromStored('x', tensors);
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw error;
    }
    return done('read');
  } catch (error) {
    if (!(error instanceof CheckpointFileError)) return done('broken', (error as Error).stack ?? String(error));
    const isOneLine = error.message.length < 2000 && !/[\n\r]/.test(error.message);
    return done(isOneLine ? 'refused' : 'broken', error.message);
  }
}

export interface Row {
  readonly kind: string;
  files: number;
  refused: number;
  read: number;
  slowestMs: number;
  /** A line for each file that was neither read nor refused. */
  readonly broken: string[];
}

/** Tries `count` files of all kinds by their shares, the same ones for the same count. */
export function runFaults(count: number, onFile: (done: number) => void = () => undefined): Row[] {
  let done = 0;
  return kinds.map(({ name, share, make }) => {
    const row: Row = { kind: name, files: 0, refused: 0, read: 0, slowestMs: 0, broken: [] };
    for (let i = 0; i < Math.ceil((count * share) / 100); i++) {
      const { what, bytes } = make(i);
      const { result, message, ms } = attempt(bytes);
      row.files++;
      row.slowestMs = Math.max(row.slowestMs, ms);
      if (result === 'broken') row.broken.push(`file ${i} (${what}): ${message}`);
      else row[result]++;
      onFile(++done);
    }
    return row;
  });
}

/** Every way in which a pickle calls a function with one text. */
const calls: readonly ((name: string, text: string) => string)[] = [
  (name, text) => op.global(name) + op.text(text) + op.tuple1 + op.reduce,
  (name, text) => op.global(name) + op.text(text) + op.tuple1 + op.newObject,
  (name, text) => op.global(name) + op.text(text) + op.tuple1 + op.emptyDict + op.newObjectEx,
  (name, text) => op.mark + op.global(name) + op.text(text) + op.object,
  (name, text) => op.mark + op.text(text) + op.instance(name),
  (name, text) => {
    const dot = name.lastIndexOf('.');
    return op.text(name.slice(0, dot)) + op.text(name.slice(dot + 1)) + op.stackGlobal + op.text(text) + op.tuple1 + op.reduce;
  },
];

/** Pickles that would make a file if they were executed: in place of weights, and beside them. */
export const traces = (path: string): Buffer[] =>
  ['os.system', 'posix.system', 'subprocess.getoutput', 'builtins.exec', '__builtin__.execfile'].flatMap((name) =>
    calls.flatMap((call) => {
      const run = call(name, name === 'builtins.exec' ? `open('${path}', 'w')` : `touch ${path}`);
      const beside = [op.emptyDict, op.text('x'), run, op.setItem, op.text('w'), ...tensorCodes(), op.setItem];
      return [torchZip([run]), torchZip(beside)];
    }));

/** Whether one of them made its file. */
export function leavesTrace(folder: string): boolean {
  const trace = join(folder, 'trace');
  for (const file of traces(trace)) attempt(file);
  return existsSync(trace);
}

const peak = (): number => process.resourceUsage().maxRSS * 1024;

/** In a process of its own: reads the file, and prints the outcome with the memory that it took. */
function measure(path: string): void {
  for (const seed of seeds) attempt(seed);
  const bytes = readFileSync(path);
  const before = peak();
  const outcome = attempt(bytes);
  process.stdout.write(JSON.stringify({ ...outcome, bytes: peak() - before }));
}

function measureBombs(folder: string): boolean {
  let good = true;
  for (const [name, make] of Object.entries(bombs)) {
    const path = join(folder, 'bomb');
    const file = make();
    writeFileSync(path, file);
    const args = [fileURLToPath(import.meta.url), '--measure', path];
    const { stdout } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 60_000 });
    const none = { result: 'broken', message: 'no answer', ms: NaN, bytes: NaN } as const;
    const { result, ms, bytes, message }: Outcome & { bytes: number } = stdout ? JSON.parse(stdout) : none;
    good &&= result !== 'broken' && ms < MOST_MS && bytes < MOST_BYTES;
    const size = `${(bytes / 1e6).toFixed(1).padStart(6)} MB beyond ${(file.length / 1e6).toFixed(1)} MB`;
    const problem = result === 'broken' ? `: ${message}` : '';
    console.log(`${result.padEnd(8)} ${ms.toFixed(0).padStart(5)} ms ${size}: ${name}${problem}`);
  }
  return good;
}

/** Tries `count` damaged files and all bombs, and prints what came of them. Returns whether all were survived. */
export function checkpointFaults(count: number): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'splice-gpu-faults-'));
  try {
    for (const seed of seeds) attempt(seed);
    const before = peak();
    const rows = runFaults(count);
    for (const { kind, files, refused, read, slowestMs, broken } of rows) {
      const slowest = `slowest ${slowestMs.toFixed(0)} ms`;
      console.log(`${String(files).padStart(6)} files, ${refused} refused, ${read} read, ${slowest}: ${kind}`);
      for (const line of broken.slice(0, 5)) console.log(`  BROKEN ${line}`);
    }
    const grown = peak() - before;
    const total = rows.reduce((sum, { files }) => sum + files, 0);
    console.log(`${total} files; the whole run took ${(grown / 1e6).toFixed(0)} MB more than the first, valid files`);
    const bombsHeld = measureBombs(folder);
    const trace = leavesTrace(folder);
    console.log(trace ? 'SOMETHING WAS EXECUTED' : 'nothing was executed');
    return bombsHeld && !trace && rows.every(({ broken, slowestMs }) => broken.length === 0 && slowestMs < MOST_MS);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv[2] === '--measure') measure(process.argv[3]!);
  else process.exitCode = checkpointFaults(Number(process.argv[2] ?? 10_000)) ? 0 : 1;
}
