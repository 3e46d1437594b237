/** The output folder of a transfer: what lies in it and how it comes to be there. */
import { access, appendFile, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Image } from '../model/image.js';
import { serializeSafetensors } from '../model/safetensors.js';
import type { Weight } from '../model/vit/config.js';
import { fileProblem, InputError, UsageError } from './errors.js';
import { prepareFolder, writeFileAtomic, writeJson } from './files.js';
import { writeImage } from './image.js';
import type { PngText } from './pngText.js';
import { lossCurveSvg, type LogEntry } from './lossCurve.js';

export interface Outputs {
  readonly folder: string;
  readonly resultPath: string;
  /** Empties the folder of an earlier run's files and makes it ready for the new one's. */
  begin(): Promise<void>;
  /** Takes back the folder, if this run made it and nothing is in it. */
  undo(): Promise<void>;
  config(value: unknown): Promise<void>;
  log(entry: LogEntry): Promise<void>;
  /** previews/NNNNN.png, NNNNN steps of training behind it. */
  preview(steps: number, image: Image): Promise<void>;
  /** `text` goes into the file. */
  result(image: Image, text: PngText): Promise<void>;
  report(value: unknown): Promise<void>;
  triptych(image: Image): Promise<void>;
  generator(weights: ReadonlyMap<string, Weight>, metadata: Readonly<Record<string, string>>): Promise<void>;
  curve(entries: readonly LogEntry[], title: string): Promise<void>;
}

const FILES = ['result.png', 'triptych.png', 'generator.safetensors', 'config.json', 'report.json', 'log.jsonl', 'losses.svg', 'previews'] as const;
/** Any of these means that a run's results would be overwritten. */
const PRECIOUS = ['result.png', 'log.jsonl', 'config.json'] as const;

/** @throws UsageError when the folder holds an earlier run and `force` is off, InputError when it cannot be written to */
export async function openOutputs(folder: string, force: boolean): Promise<Outputs> {
  const at = (name: string) => join(folder, name);
  const earlier = force ? undefined : await firstExisting(PRECIOUS.map(at));
  if (earlier) throw new UsageError(`${folder} holds an earlier run (${earlier}): choose another --out, or --force to replace it`);
  const undo = await prepareFolder(folder);
  return {
    folder,
    resultPath: at('result.png'),
    undo,
    begin: async () => {
      for (const name of FILES) await rm(at(name), { recursive: true, force: true });
      await mkdir(at('previews'), { recursive: true });
    },
    config: (value) => writeJson(at('config.json'), value),
    log: (entry) => append(at('log.jsonl'), JSON.stringify(entry) + '\n'),
    preview: (steps, image) => writeImage(at(`previews/${String(steps).padStart(5, '0')}.png`), image),
    result: (image, text) => writeImage(at('result.png'), image, text),
    report: (value) => writeJson(at('report.json'), value),
    triptych: (image) => writeImage(at('triptych.png'), image),
    generator: (weights, metadata) => writeFileAtomic(at('generator.safetensors'), serializeSafetensors(weights, metadata)),
    curve: (entries, title) => writeFileAtomic(at('losses.svg'), lossCurveSvg(entries, title)),
  };
}

async function firstExisting(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    if (await access(path).then(() => true, () => false)) return path;
  }
  return undefined;
}

const append = (path: string, line: string): Promise<void> =>
  appendFile(path, line).catch((error: unknown) => {
    throw new InputError(`${path} ${fileProblem(error)}`, { cause: error });
  });
