/** Runs killed with SIGKILL at random moments, and resumed: they must end like an undisturbed run. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { IMAGENET_MEAN, IMAGENET_STD } from '../../model/vit/config.js';
import { untrainedVit } from '../../model/vit/untrained.js';
import { serializeSafetensors } from '../../model/files/safetensors.js';
import { redBlue } from '../helpers/pictures.js';
import { random } from '../helpers/random.js';

const MAIN = fileURLToPath(new URL('../../cli/bin.js', import.meta.url));
/** The structure photo is larger than --size, so that some kills come while detail is added. */
const RUN = ['--steps', '11', '--warm-start', '2', '--save-every', '2', '--size', '40', '--vit-size', '16'];

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

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
  readonly ms: number;
}

/** Runs the command line; `killAfter` milliseconds later it gets SIGKILL. */
function command(args: readonly string[], killAfter = Infinity): Promise<Ended> {
  const began = performance.now();
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (text) => (stderr += text));
  const timer = killAfter < Infinity ? setTimeout(() => child.kill('SIGKILL'), killAfter) : undefined;
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, stderr, ms: performance.now() - began });
    });
  });
}

/** The files of a run except those with times, by name. */
function results(folder: string): Map<string, Buffer> {
  const holdsTimes = /^timings\.jsonl$|^checkpoints/;
  const isResult = (name: string): boolean => /\.(png|jsonl|svg|safetensors)$|report\.json$/.test(name) && !holdsTimes.test(name);
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(isResult).sort();
  return new Map(names.map((name) => [name, readFileSync(join(folder, name))]));
}

/** The first difference in words, or undefined. */
function difference(found: Map<string, Buffer>, expected: Map<string, Buffer>): string | undefined {
  const [here, there] = [[...found.keys()].join(' '), [...expected.keys()].join(' ')];
  if (here !== there) return `files are ${here} instead of ${there}`;
  const other = [...expected].find(([name, bytes]) => !bytes.equals(found.get(name)!));
  return other && `${other[0]} differs`;
}

async function writeInputs(folder: string): Promise<string[]> {
  const [structure, appearance, model] =
    ['structure.png', 'appearance.png', 'vit.safetensors'].map((name) => join(folder, name)) as [string, string, string];
  writeFileSync(structure, await redBlue(88, 80).png().toBuffer());
  writeFileSync(appearance, await redBlue(42, 42).negate().png().toBuffer());
  const sizes = { dim: 16, depth: 2, heads: 2, patch: 8, image: 16, hidden: 32, eps: 1e-6 };
  const vit = untrainedVit(5, { ...sizes, mean: IMAGENET_MEAN, std: IMAGENET_STD });
  writeFileSync(model, serializeSafetensors(vit.weights));
  writeFileSync(model.replace('.safetensors', '.json'), '{"heads": 2}');
  return ['--structure', structure, '--appearance', appearance, '--model', model, ...RUN];
}

/** @param say is called with a line for each kill */
export async function killRuns(kills: number, seed: number, say: (line: string) => void): Promise<KillReport> {
  const folder = mkdtempSync(join(tmpdir(), 'splice-gpu-kill-'));
  const next = random(seed);
  const killed = { beforeTheRunBegan: 0, beforeACheckpoint: 0, later: 0 };
  const report: KillReport = { kills: 0, equal: 0, killed, failures: [] };
  try {
    const args = ['transfer', ...(await writeInputs(folder))];
    if (kills > FEW) await command([...args, '--out', join(folder, 'first')]);
    const whole = join(folder, 'whole');
    const undisturbed = await command([...args, '--out', whole]);
    if (undisturbed.code !== 0) throw new Error(`the undisturbed run failed: ${undisturbed.stderr}`);
    const expected = results(whole);
    while (report.kills < kills) {
      const out = join(folder, `killed-${report.kills}`);
      mkdirSync(out);
      const killAfter = next() * undisturbed.ms;
      const { signal } = await command([...args, '--out', out], killAfter);
      if (signal === 'SIGKILL') say(await countKill(report, out, args, expected, killAfter));
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
  const began = existsSync(join(out, 'config.json'));
  const checkpoints = join(out, 'checkpoints');
  const saved = existsSync(checkpoints) && readdirSync(checkpoints).some((name) => /^[^.].*\.safetensors$/.test(name));
  const kind = saved ? 'later' : began ? 'beforeACheckpoint' : 'beforeTheRunBegan';
  report.kills++;
  report.killed[kind]++;
  const { code, stderr } = await command(began ? ['transfer', '--resume', out] : [...args, '--out', out]);
  const left = readdirSync(out, { recursive: true, encoding: 'utf8' }).filter((name) => /(^|\/)\./.test(name));
  let problem = left.length > 0 ? `left ${left.join(' ')}` : difference(results(out), expected);
  if (code !== 0) problem = `ended with ${code}: ${stderr.trim().split('\n').at(-1)}`;
  if (problem === undefined) report.equal++;
  else report.failures.push(`killed after ${killAfter.toFixed(0)} ms (${kind}): ${problem}`);
  return `kill ${report.kills} after ${killAfter.toFixed(0)} ms, ${kind}: ${problem ?? 'equal'}`;
}
