/** Runs killed with SIGKILL at random moments, and resumed: they must end like an undisturbed run. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { random } from '../helpers/random.js';
import { command, difference, goOn, hasBegun, lastLine, leftIn, results, writeInputs, type TrainingName } from './runs.js';

/** Above this number a first run compiles the kernels, so that the moments of the kills are spread evenly. */
const FEW = 5;

export interface KillReport {
  kills: number;
  /** Ended byte-equal to the undisturbed run. */
  equal: number;
  /** Counts by progress at the kill. */
  killed: { beforeTheRunBegan: number; beforeACheckpoint: number; later: number };
  /** One line for each that did not end equal. */
  failures: string[];
}

/** @param say is called with a line for each kill */
export async function killRuns(
  training: TrainingName, kills: number, seed: number, say: (line: string) => void,
): Promise<KillReport> {
  const folder = mkdtempSync(join(tmpdir(), 'splice-gpu-kill-'));
  const next = random(seed);
  const killed = { beforeTheRunBegan: 0, beforeACheckpoint: 0, later: 0 };
  const report: KillReport = { kills: 0, equal: 0, killed, failures: [] };
  try {
    const args = await writeInputs(training, folder);
    if (kills > FEW) await command([...args, '--out', join(folder, 'first')]);
    const whole = join(folder, 'whole', 'out'); // vit.json holds the folder's name
    const undisturbed = await command([...args, '--out', whole]);
    if (undisturbed.code !== 0) throw new Error(`the undisturbed run failed: ${undisturbed.stderr}`);
    const expected = results(whole);
    while (report.kills < kills) {
      const out = join(folder, 'out');
      mkdirSync(out);
      const killAfter = next() * undisturbed.ms;
      const { signal } = await command([...args, '--out', out], killAfter);
      if (signal === 'SIGKILL') say(`${training}, ` + (await countKill(report, out, args, expected, killAfter)));
      rmSync(out, { recursive: true, force: true });
    }
    return report;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Resumes a killed run, adds its end to the report, and returns it as a line. */
async function countKill(
  report: KillReport, out: string, args: readonly string[], expected: Map<string, Buffer>, killAfter: number,
): Promise<string> {
  const began = hasBegun(out);
  const checkpoints = join(out, 'checkpoints');
  const saved = existsSync(checkpoints) && readdirSync(checkpoints).some((name) => /^[^.].*\.safetensors$/.test(name));
  const kind = saved ? 'later' : began ? 'beforeACheckpoint' : 'beforeTheRunBegan';
  report.kills++;
  report.killed[kind]++;
  const ended = await goOn(args, out);
  const left = leftIn(out);
  let problem = left.length > 0 ? `left ${left.join(' ')}` : difference(results(out), expected);
  if (ended.code !== 0) problem = `ended with ${ended.code}: ${lastLine(ended)}`;
  if (problem === undefined) report.equal++;
  else report.failures.push(`killed after ${killAfter.toFixed(0)} ms (${kind}): ${problem}`);
  return `kill ${report.kills} after ${killAfter.toFixed(0)} ms, ${kind}: ${problem ?? 'equal'}`;
}
