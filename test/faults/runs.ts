/** The short runs that are killed and get faults: tiny networks, and a save after every few steps. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TRAININGS, type TrainingName } from '../../cli/run/config.js';
import { serializeSafetensors } from '../../model/files/safetensors.js';
import { IMAGENET_MEAN, IMAGENET_STD } from '../../model/vit/config.js';
import { untrainedVit } from '../../model/vit/untrained.js';
import { redBlue } from '../helpers/pictures.js';

/** The executable. */
export const BIN = fileURLToPath(new URL('../../cli/bin.js', import.meta.url));
const OPTIONS: Readonly<Record<TrainingName, string>> = {
  // The structure photo is larger than --size, so that some faults come while detail is added.
  transfer: '--steps 11 --warm-start 2 --save-every 2 --size 40 --vit-size 16',
  train: '--steps 7 --warm-start 2 --validate-every 3 --size 36 --vit-size 16 --batch 1 --hold-out 2 --validate-pairs 1 '
    + '--channels 4,4,4,4,4 --heads 1 --head-size 8 --token-width 8 --scales 1',
  pretrain: '--epochs 4 --save-every 2 --dim 8 --depth 1 --heads 1 --patch 8 --image-size 16 --local-size 8 --locals 2 --batch 2 '
    + '--warmup-epochs 1 --teacher-warmup-epochs 1 --head-hidden 16 --bottleneck 8 --prototypes 32',
};
const PHOTOS = 6;
/** A run takes seconds; one that takes minutes hangs. */
const PATIENCE_MS = 240_000;

export { TRAININGS, type TrainingName };

/** Writes photos and weights into `folder`, and returns the command line of a training without its --out. */
export async function writeInputs(training: TrainingName, folder: string): Promise<string[]> {
  const at = (name: string): string => join(folder, name);
  const options = OPTIONS[training].split(' ');
  if (training !== 'pretrain') {
    const sizes = { dim: 16, depth: 2, heads: 2, patch: 8, image: 16, hidden: 32, eps: 1e-6 };
    const vit = untrainedVit(5, { ...sizes, mean: IMAGENET_MEAN, std: IMAGENET_STD });
    writeFileSync(at('vit.safetensors'), serializeSafetensors(vit.weights));
    writeFileSync(at('vit.json'), '{"heads": 2}');
    options.push('--model', at('vit.safetensors'));
  }
  if (training === 'transfer') {
    writeFileSync(at('structure.png'), await redBlue(88, 80).png().toBuffer());
    writeFileSync(at('appearance.png'), await redBlue(42, 42).negate().png().toBuffer());
    return [training, '--structure', at('structure.png'), '--appearance', at('appearance.png'), ...options];
  }
  mkdirSync(at('photos'));
  for (let i = 0; i < PHOTOS; i++) {
    writeFileSync(at(`photos/${i}.png`), await redBlue(36 + i, 40).modulate({ hue: 60 * i }).png().toBuffer());
  }
  return [training, '--photos', at('photos'), ...options];
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
  readonly ms: number;
}

/** Runs the command line; `killAfter` milliseconds later it gets SIGKILL. @throws Error when it hangs */
export function command(
  args: readonly string[], killAfter = PATIENCE_MS, env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const began = performance.now();
  const all = { ...process.env, ...env };
  const child = spawn(process.execPath, [BIN, ...args], { stdio: ['ignore', 'ignore', 'pipe'], env: all });
  let stderr = '';
  child.stderr.on('data', (text) => (stderr += text));
  const timer = setTimeout(() => child.kill('SIGKILL'), killAfter);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const ms = performance.now() - began;
      if (ms < PATIENCE_MS) resolve({ code, signal, stderr, ms });
      else reject(new Error(`"${args.join(' ')}" hangs: it did not end in ${PATIENCE_MS / 1000} s; ${stderr}`));
    });
  });
}

/** Whether a run in `folder` can be resumed; otherwise it ended before it began. */
export const hasBegun = (folder: string): boolean => existsSync(join(folder, 'config.json'));

/** Resumes the run in `out`, or starts it where it has not begun. @param args as `writeInputs` returns them */
export const goOn = (args: readonly string[], out: string, env: Readonly<Record<string, string>> = {}): Promise<Ended> =>
  command(hasBegun(out) ? [args[0]!, '--resume', out] : [...args, '--out', out], undefined, env);

export const lastLine = ({ stderr }: Ended): string => stderr.trim().split('\n').at(-1)!;

/** Locks and unfinished files in a run's folder. */
export const leftIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => /(^|\/)\./.test(name)).sort();

/** The files of a run except those with times, by name. */
export function results(folder: string): Map<string, Buffer> {
  const holdsTimes = /^timings\.jsonl$|^(checkpoints|kept)/;
  const isResult = (name: string): boolean =>
    /\.(png|jsonl|svg|safetensors)$|^(report|vit)\.json$/.test(name) && !holdsTimes.test(name);
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(isResult).sort();
  return new Map(names.map((name) => [name, readFileSync(join(folder, name))]));
}

/** The first difference in words, or undefined. */
export function difference(found: Map<string, Buffer>, expected: Map<string, Buffer>): string | undefined {
  const [here, there] = [[...found.keys()].join(' '), [...expected.keys()].join(' ')];
  if (here !== there) return `files are ${here} instead of ${there}`;
  const other = [...expected].find(([name, bytes]) => !bytes.equals(found.get(name)!));
  return other && `${other[0]} differs`;
}
