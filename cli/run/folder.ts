/** The output folder of a transfer: what lies in it and how it comes to be there. */
import { access, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Image } from '../../model/image.js';
import { serializeSafetensors } from '../../model/files/safetensors.js';
import type { Weight } from '../../model/vit/config.js';
import { checkpointsIn, type Checkpoints } from './checkpoints.js';
import { UsageError } from '../shared/errors.js';
import { isTemporary, prepareFolder, writeFileAtomic, writeJson } from '../shared/files.js';
import { writeImage } from '../photos/photo.js';
import { lockFolder } from './lock.js';
import { lossCurveSvg, type LogEntry } from './curve.js';
import type { PngText } from '../photos/pngText.js';
import { runLog, type RunLog } from './log.js';

/** Made by `openOutputs` or `reopenOutputs`. The folder belongs to this process until `close`. */
export interface Outputs {
  readonly folder: string;
  readonly resultPath: string;
  readonly log: RunLog;
  readonly checkpoints: Checkpoints;
  /** Empties the folder of an earlier run's files and makes it ready for the new one's. */
  begin(): Promise<void>;
  /** Takes away what belongs to later steps than these; answers with the log's entries. */
  rewind(logBytes: number, stepsDone: number): Promise<LogEntry[]>;
  /** Gives up the folder, and takes it back if this run made it and nothing is in it. */
  close(): Promise<void>;
  config(value: unknown): Promise<void>;
  /** previews/NNNNN.png, NNNNN steps of training behind it. */
  preview(steps: number, image: Image): Promise<void>;
  /** `text` goes into the file. */
  result(image: Image, text: PngText): Promise<void>;
  report(value: unknown): Promise<void>;
  triptych(image: Image): Promise<void>;
  generator(weights: ReadonlyMap<string, Weight>, metadata: Readonly<Record<string, string>>): Promise<void>;
  curve(entries: readonly LogEntry[], title: string): Promise<void>;
}

/** The config goes first: without it nobody takes what is left for a run. */
const FILES = ['config.json', 'checkpoints', 'result.png', 'triptych.png', 'generator.safetensors', 'report.json', 'log.jsonl', 'timings.jsonl', 'losses.svg', 'previews'] as const;
/** Any of these means that a run's results would be overwritten. */
const PRECIOUS = ['result.png', 'log.jsonl', 'config.json'] as const;

const previewName = (steps: number): string => `${String(steps).padStart(5, '0')}.png`;

/** The previews in a run's folder. */
export async function previewsIn(folder: string): Promise<{ readonly steps: number; readonly path: string }[]> {
  const names = await readdir(join(folder, 'previews')).catch(() => []);
  return names.flatMap((name) => {
    const steps = Number.parseInt(name, 10);
    return name === previewName(steps) ? [{ steps, path: join(folder, 'previews', name) }] : [];
  });
}

/** For a new run. @throws UsageError when the folder holds an earlier one and `force` is off, InputError when it cannot be written to or is in use */
export async function openOutputs(folder: string, force: boolean): Promise<Outputs> {
  const outputs = await reopenOutputs(folder);
  const earlier = force ? undefined : await firstExisting(PRECIOUS.map((name) => join(folder, name)));
  if (!earlier) return outputs;
  await outputs.close();
  throw new UsageError(`${folder} holds an earlier run (${earlier}): choose another --out, or --force to replace it, or --resume ${folder} to go on with it`);
}

/** For a run that is there already. @throws InputError when it cannot be written to or is in use */
export async function reopenOutputs(folder: string): Promise<Outputs> {
  const at = (name: string) => join(folder, name);
  const undo = await prepareFolder(folder);
  const unlock = await lockFolder(folder).catch(async (error: unknown) => {
    await undo();
    throw error;
  });
  const log = runLog(at('log.jsonl'), at('timings.jsonl'));
  return {
    folder,
    resultPath: at('result.png'),
    log,
    checkpoints: checkpointsIn(at('checkpoints')),
    begin: async () => {
      for (const name of FILES) await rm(at(name), { recursive: true, force: true });
      await removeTemporary(folder);
      await mkdir(at('previews'), { recursive: true });
    },
    rewind: async (logBytes, stepsDone) => {
      await mkdir(at('previews'), { recursive: true });
      for (const part of ['', 'previews', 'checkpoints']) await removeTemporary(at(part));
      for (const name of await readdir(at('previews'))) {
        if (Number.parseInt(name, 10) > stepsDone) await rm(at(`previews/${name}`), { force: true });
      }
      return log.rewind(logBytes);
    },
    close: async () => {
      await unlock();
      await undo();
    },
    config: (value) => writeJson(at('config.json'), value),
    preview: (steps, image) => writeImage(at(`previews/${previewName(steps)}`), image),
    result: (image, text) => writeImage(at('result.png'), image, text),
    report: (value) => writeJson(at('report.json'), value),
    triptych: (image) => writeImage(at('triptych.png'), image),
    generator: (weights, metadata) => writeFileAtomic(at('generator.safetensors'), serializeSafetensors(weights, metadata)),
    curve: (entries, title) => writeFileAtomic(at('losses.svg'), lossCurveSvg(entries, title)),
  };
}

/** What killed processes were writing. Only for whoever has the folder. */
async function removeTemporary(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    if (isTemporary(name)) await rm(join(folder, name), { force: true });
  }
}

async function firstExisting(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    if (await access(path).then(() => true, () => false)) return path;
  }
  return undefined;
}
