/** The output folder of a run: its files, and when they are removed. */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join, relative, resolve, sep } from 'node:path';
import type { Image } from '../../model/image.js';
import type { StepLosses } from '../../model/training/run.js';
import { writeImage } from '../photos/photo.js';
import { UsageError } from '../shared/errors.js';
import { exists, isTemporary, prepareFolder, writeFileAtomic, writeJson } from '../shared/files.js';
import { checkpointsIn, type Checkpoints } from './checkpoints.js';
import { readConfig, resumeCommand, trainingOf } from './config.js';
import { lossCurveSvg } from './curve.js';
import { figureLog } from './figures.js';
import { lockFolder } from '../shared/lock.js';
import { runLog, type RunLog } from './log.js';

/** Made by `openFolder` or `reopenFolder`. The folder belongs to this process until `close`. */
export interface RunFolder {
  readonly path: string;
  readonly log: RunLog;
  readonly figures: ReturnType<typeof figureLog>;
  readonly checkpoints: Checkpoints;
  /** The path of a file in the folder. */
  at(name: string): string;
  /** Removes the files of an earlier run and prepares the folder for a new one. */
  begin(): Promise<void>;
  /** Removes what belongs to later steps than these; returns the log's entries. */
  rewind(logBytes: number, stepsDone: number): Promise<StepLosses[]>;
  /** Releases the folder, and removes it if this run created it and it is empty. */
  close(): Promise<void>;
  config(value: object): Promise<void>;
  /** Writes previews/NNNNN.png, a picture after NNNNN steps of training. */
  preview(steps: number, image: Image): Promise<void>;
  curve(entries: readonly StepLosses[], title: string): Promise<void>;
}

/** The config goes first: without it nothing takes the rest for a run. */
const FILES = [
  'config.json', 'checkpoints', 'kept', 'result.png', 'trained.png', 'triptych.png', 'strip.png', 'generator.safetensors',
  'vit.safetensors', 'vit.json', 'report.json', 'log.jsonl', 'timings.jsonl', 'figures.jsonl', 'losses.svg', 'previews',
  'seeds', 'seeds.png', 'frames', 'frames.webp', 'strength', 'regions',
] as const;
/** Any of these means that a run's results would be overwritten. */
const PRECIOUS = ['result.png', 'log.jsonl', 'generator.safetensors', 'vit.safetensors', 'checkpoints', 'config.json'] as const;

const previewName = (steps: number): string => `${String(steps).padStart(5, '0')}.png`;

/** The previews in a run's folder. */
export async function previewsIn(folder: string): Promise<{ readonly steps: number; readonly path: string }[]> {
  const names = await readdir(join(folder, 'previews')).catch(() => []);
  return names.flatMap((name) => {
    const steps = Number.parseInt(name, 10);
    return name === previewName(steps) ? [{ steps, path: join(folder, 'previews', name) }] : [];
  });
}

/**
 * For a new run. @param inputs paths of what it reads
 * @throws UsageError when the folder holds an earlier run and `force` is off, or holds an input that the run would replace,
 * InputError when it cannot be written to or is in use
 */
export async function openFolder(path: string, force: boolean, inputs: readonly string[]): Promise<RunFolder> {
  const isOurs = (input: string): boolean => FILES.some((name) => name === relative(path, resolve(input)).split(sep)[0]);
  const replaced = inputs.find(isOurs);
  if (replaced) throw new UsageError(`${replaced} would be replaced by the new run in ${path}: choose another --out`);
  const folder = await reopenFolder(path);
  for (const earlier of force ? [] : PRECIOUS.map(folder.at)) {
    if (!(await exists(earlier))) continue;
    await folder.close();
    const training = trainingOf(await readConfig(path).catch(() => ({})));
    const resume = training ? `, or ${resumeCommand(training, path)} to continue it` : '';
    const choices = `choose another --out, or --force to replace it${resume}`;
    throw new UsageError(`${path} holds an earlier run (${earlier}): ${choices}`);
  }
  return folder;
}

/** For a run that exists. @throws InputError when it cannot be written to or is in use */
export async function reopenFolder(path: string): Promise<RunFolder> {
  const at = (name: string) => join(path, name);
  const undo = await prepareFolder(path);
  const unlock = await lockFolder(path).catch(async (error: unknown) => {
    await undo();
    throw error;
  });
  const log = runLog(at('log.jsonl'), at('timings.jsonl'));
  return {
    path,
    at,
    log,
    figures: figureLog(at('figures.jsonl')),
    checkpoints: checkpointsIn(at('checkpoints')),
    begin: async () => {
      for (const name of FILES) await rm(at(name), { recursive: true, force: true });
      await removeTemporary(path);
      await mkdir(at('previews'), { recursive: true });
    },
    rewind: async (logBytes, stepsDone) => {
      await mkdir(at('previews'), { recursive: true });
      for (const part of ['', 'previews', 'checkpoints', 'kept', 'regions']) await removeTemporary(at(part));
      for (const part of ['previews', 'kept']) {
        for (const name of await readdir(at(part)).catch(() => [])) {
          if (Number.parseInt(name, 10) > stepsDone) await rm(at(`${part}/${name}`), { force: true });
        }
      }
      return log.rewind(logBytes);
    },
    close: async () => {
      await unlock();
      await undo();
    },
    config: (value) => writeJson(at('config.json'), value),
    preview: (steps, image) => writeImage(at(`previews/${previewName(steps)}`), image),
    curve: async (entries, title) => writeFileAtomic(at('losses.svg'), lossCurveSvg(entries, title)),
  };
}

/** Removes what killed processes were writing. Only for the process that holds the folder. */
export async function removeTemporary(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    if (isTemporary(name)) await rm(join(folder, name), { force: true });
  }
}
