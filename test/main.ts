/**
 * Runs the test files: `node dist/test/main.js [words]`, all or those whose path contains one of the words. Each file has a
 * process of its own, so that none finds another's leftovers on the device and a crash costs one file. As many run at a time as
 * there are processors, because a software driver compiles each kernel on one of them. The output of a file is shown when it is
 * done, and at the end the sums of uvu's totals.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parse } from 'uvu/parse';

interface Suite {
  readonly name: string;
  readonly file: string;
}

/** Numbers of tests of one file, or of all. */
export interface Totals {
  readonly total: number;
  readonly passed: number;
  readonly skipped: number;
}

/** More processes than this would crowd a graphics card. */
const MOST_AT_ONCE = 4;

/** The process exits by itself after the run: a GPU object would keep it alive. */
const FILES = `
import { run } from 'uvu/run';
await run(JSON.parse(process.argv[1]));
process.exit(process.exitCode);
`;

/**
 * Mesa compiles a kernel in a third of the time for vectors of 256 bits, the widest without AVX-512. engine/vectors.test.ts has
 * those of the command line.
 */
const NARROW = { LP_NATIVE_VECTOR_WIDTH: '256' };

/** The pattern of the paths of the wanted files. */
export const patternOf = (words: readonly string[]): string => `(${words.join('|')}).*\\.test\\.js$`;

const SUMMARY = /\s*Total: +(\d+)\n *Passed: +(\d+)\n *Skipped: +(\d+)\n *Duration: .*\s*$/;

/**
 * Separates uvu's summary from the output of a file. A file without a summary counts as one failed test; a crash after a summary
 * without failures as one more.
 */
export function outcome(output: string, code: number | null): { readonly text: string; readonly totals: Totals } {
  const [end, total, passed, skipped] = SUMMARY.exec(output) ?? [];
  if (end === undefined) {
    return { text: `${output.trimEnd()}\n  broke off with exit code ${code}`, totals: { total: 1, passed: 0, skipped: 0 } };
  }
  const text = output.slice(0, -end.length);
  const totals = { total: Number(total), passed: Number(passed), skipped: Number(skipped) };
  if (code === 0 || totals.passed < totals.total) return { text, totals };
  return { text: `${text}\n  ended with exit code ${code}`, totals: { ...totals, total: totals.total + 1 } };
}

const running = new Set<ChildProcess>();

/** Runs files in one process. */
export function runFiles(
  suites: readonly Suite[], env: NodeJS.ProcessEnv,
): Promise<{ readonly output: string; readonly code: number | null }> {
  const args = ['--input-type=module', '--eval', FILES, JSON.stringify(suites)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
  running.add(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (part: string) => (output += part));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      running.delete(child);
      resolve({ output, code });
    });
  });
}

const secondsSince = (start: number): string => ((performance.now() - start) / 1000).toFixed(1);

/** After a plain `tsc` the pages' scripts are old, or there are none. @throws Error when they cannot be bundled */
function bundlePages(): void {
  const { status, stderr } = spawnSync(process.execPath, [fileURLToPath(new URL('../../cli/bundle.mjs', import.meta.url))]);
  if (status !== 0) throw new Error(`the pages are not bundled: ${String(stderr)}`);
}

async function main(words: readonly string[]): Promise<number> {
  const start = performance.now();
  bundlePages();
  const { suites } = await parse(fileURLToPath(new URL('.', import.meta.url)), patternOf(words));
  if (suites.length === 0) throw new Error(`no test file matches ${words.join(' ')}`);
  const waiting = [...suites];
  const sum = { total: 0, passed: 0, skipped: 0 };
  const worker = async (): Promise<void> => {
    for (let suite = waiting.shift(); suite; suite = waiting.shift()) {
      const began = performance.now();
      const { output, code } = await runFiles([suite], { ...NARROW, ...process.env });
      const { text, totals } = outcome(output, code);
      for (const key of ['total', 'passed', 'skipped'] as const) sum[key] += totals[key];
      console.log(`${text}  ${secondsSince(began)} s\n`);
    }
  };
  await Promise.all(Array.from({ length: Math.min(MOST_AT_ONCE, availableParallelism()) }, worker));
  console.log(`  Total:     ${sum.total}\n  Passed:    ${sum.passed}\n  Skipped:   ${sum.skipped}`);
  console.log(`  Duration:  ${secondsSince(start)} s\n`);
  return sum.passed === sum.total ? 0 : 1; // uvu's total does not count skipped tests
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  // Ctrl-C reaches the children too; a signal to this process does not.
  process.once('SIGTERM', () => {
    for (const child of running) child.kill();
    process.exit(128 + 15);
  });
  process.exitCode = await main(process.argv.slice(2));
}
