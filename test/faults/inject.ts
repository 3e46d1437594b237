/** Runs in which a call of the system fails, does half of its work or is the last one; they must end as if it had not been. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../cli/shared/files.js';
import {
  command, difference, goOn, lastLine, leftIn, results, writeInputs, type Ended, type TrainingName,
} from './runs.js';

const { EACCES, EIO, ENOSPC } = constants.errno;
export const CALLS = ['open', 'write', 'rename', 'sync', 'unlink'] as const;
type Call = (typeof CALLS)[number];
const KINDS: readonly (readonly [Call, string])[] = [
  ['write', String(ENOSPC)], ['rename', String(EIO)], ['sync', String(EIO)], ['open', String(EACCES)],
  ['write', 'kill'], ['write', 'short'], ['rename', 'kill'], ['unlink', String(EIO)],
];
/** Thirds of a run; each kind comes in each. */
export const PLACES = ['early', 'middle', 'late'] as const;
export type Place = (typeof PLACES)[number];

/** What goes wrong: the call of number `at` among those of its name. */
interface Fault {
  readonly call: Call;
  readonly how: string;
  readonly at: number;
}

export interface InjectReport {
  readonly faults: number;
  /** Those that did not end byte-equal to the undisturbed run have a line each. */
  readonly failures: readonly string[];
}

/** The library of inject.c. @throws Error without a C compiler */
export function compiled(folder: string): string {
  const library = join(folder, 'inject.so');
  const source = join(packageRoot, 'test/faults/inject.c');
  const { status, stderr } = spawnSync('cc', ['-shared', '-fPIC', '-O1', '-o', library, source, '-ldl'], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`inject.c cannot be compiled with cc: ${stderr ?? 'there is none'}`);
  return library;
}

/** What is tried. */
export interface Choice {
  readonly places: readonly Place[];
  readonly calls: readonly Call[];
  /** Faults at most. */
  readonly most: number;
}

/** Faults of a run with these calls, spread evenly. */
const faultsOf = (counts: Readonly<Record<Call, number>>, { places, calls, most }: Choice): Fault[] =>
  places.flatMap((place) => KINDS.map(([call, how], k) => {
    const share = (PLACES.indexOf(place) + (k + 0.5) / KINDS.length) / PLACES.length;
    return { call, how, at: 1 + Math.floor(counts[call] * share) };
  })).filter(({ call }) => calls.includes(call)).slice(0, most);

/** Runs with faults, in one folder. */
interface Bench {
  readonly folder: string;
  readonly library: string;
  /** The training's command line without --out. */
  readonly args: readonly string[];
}

/** Environment of a process whose calls are counted, and in which one may go wrong. */
function environment({ folder, library }: Bench, out: string, fault?: Fault): Record<string, string> {
  const env = { LD_PRELOAD: library, INJECT_BELOW: out, INJECT_REPORT: join(folder, 'calls') };
  return fault ? { ...env, INJECT_CALL: fault.call, INJECT_AT: String(fault.at), INJECT_HOW: fault.how } : env;
}

/** The calls since they were last taken. */
function takeCalls({ folder }: Bench): string[] {
  const path = join(folder, 'calls');
  const lines = existsSync(path) ? readFileSync(path, 'utf8').trimEnd().split('\n') : [];
  rmSync(path, { force: true });
  return lines;
}

/**
 * Gives a training the chosen faults, one after the other. A run gets its fault, the resumed one gets it again if it comes so
 * far, and the next must reach the end. @throws Error when the undisturbed run fails, or there is no C compiler
 */
export async function injectFaults(
  training: TrainingName, choice: Choice, say: (line: string) => void,
): Promise<InjectReport> {
  const folder = mkdtempSync(join(tmpdir(), 'splice-gpu-inject-'));
  try {
    const bench = { folder, library: compiled(folder), args: await writeInputs(training, folder) };
    const whole = join(folder, 'whole', 'out'); // vit.json holds the folder's name
    const undisturbed = await command([...bench.args, '--out', whole], undefined, environment(bench, whole));
    if (undisturbed.code !== 0) throw new Error(`the undisturbed run failed: ${undisturbed.stderr}`);
    const calls = takeCalls(bench);
    const countOf = (call: Call): number => calls.filter((line) => line.startsWith(call)).length;
    const counts = Object.fromEntries(CALLS.map((call) => [call, countOf(call)])) as Record<Call, number>;
    say(`${training}: ${CALLS.map((call) => `${counts[call]} ${call}s`).join(', ')} in the undisturbed run`);
    const expected = results(whole);
    const faults = faultsOf(counts, choice);
    const failures: string[] = [];
    for (const fault of faults) {
      const { line, problem } = await survive(bench, fault, counts, expected);
      say(`${training}, ${line}: ${problem ?? 'equal'}`);
      if (problem) failures.push(`${training}, ${line}: ${problem}`);
    }
    return { faults: faults.length, failures };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function survive(
  bench: Bench, fault: Fault, counts: Readonly<Record<Call, number>>, expected: Map<string, Buffer>,
): Promise<{ line: string; problem: string | undefined }> {
  const out = join(bench.folder, 'out');
  mkdirSync(out);
  const problems: string[] = [];
  const stretches: string[] = [];
  for (let stretch = 0; stretch < 2; stretch++) {
    const ended = await goOn(bench.args, out, environment(bench, out, fault));
    const hit = takeCalls(bench).find((line) => line.startsWith('fault'))?.slice(`fault ${fault.call} ${out}`.length);
    stretches.push(`${hit === undefined ? 'not reached' : hit.slice(1) || 'the folder'} (${ended.signal ?? ended.code})`);
    if (stretch === 0 && hit === undefined) problems.push('it was not reached');
    problems.push(...problemsOf(fault, ended, out));
  }
  const last = await goOn(bench.args, out);
  if (last.code !== 0) problems.push(`ended with ${last.code}: ${lastLine(last)}`);
  const left = leftIn(out);
  if (left.length > 0) problems.push(`left ${left.join(' ')}`);
  const other = difference(results(out), expected);
  if (other) problems.push(other);
  rmSync(out, { recursive: true });
  const { call, how, at } = fault;
  const name = Number(how) ? Object.entries(constants.errno).find(([, code]) => code === Number(how))![0] : how;
  return { line: `${call} ${at} of ${counts[call]} ${name}: ${stretches.join(', then ')}`, problem: problems[0] };
}

/** An error costs a line, and leaves nothing that only a killed process may leave. */
function problemsOf({ call, how }: Fault, ended: Ended, out: string): string[] {
  if (how === 'kill') return [];
  const { code, signal, stderr } = ended;
  if (code !== 0 && code !== 1) return [`ended with ${signal ?? code}: ${lastLine(ended)}`];
  const isExplained = lastLine(ended).startsWith('splice-gpu: ') && !stderr.includes('unexpected');
  if (code === 1 && !isExplained) return [`said ${lastLine(ended)}`];
  const left = call === 'unlink' ? [] : leftIn(out); // what cannot be removed stays
  return left.length > 0 ? [`left ${left.join(' ')} after an error`] : [];
}
