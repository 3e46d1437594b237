/** What a pretraining leaves on disk: the weights, and beside them a folder with log, pictures and the state to take it up again. */
import { open, readFile, rm, stat, truncate } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { PretrainState } from '../../model/pretraining/pretrain.js';
import type { StateName } from '../../model/pretraining/objectives.js';
import { stateNames } from '../../model/pretraining/steps.js';
import { vitConfigOf, type PretrainOptions } from '../../model/pretraining/options.js';
import { parseSafetensors, serializeSafetensors } from '../../model/files/safetensors.js';
import type { Image } from '../../model/image.js';
import type { Weight } from '../../model/vit/config.js';
import { fileProblem, InputError, UsageError } from '../shared/errors.js';
import { prepareFolder, writeFileAtomic, writeJson } from '../shared/files.js';
import { writeImage } from '../photos/photo.js';
import { lockFolder } from '../run/lock.js';

/** Hashes of what a run learns from. */
export interface Sources {
  /** Of the list of photos and their contents. */
  readonly photos: string;
  /** Of the file of the ViT that it learns from, if any. */
  readonly teacher?: string;
}

/** Where a run stopped. */
export interface SavedRun extends Sources {
  readonly state: PretrainState;
  readonly options: PretrainOptions;
  /** Length of the log when the state was saved: what follows belongs to steps that will be made again. */
  readonly logBytes: number;
}

export interface PretrainFiles {
  readonly weightsPath: string;
  readonly folder: string;
  /** Gives the folder up for other processes, and takes it back if this run made it and nothing is in it. */
  close(): Promise<void>;
  /** Empties the folder, or cuts the log to where `saved` was. */
  begin(saved?: SavedRun): Promise<void>;
  log(entry: unknown): Promise<void>;
  /** State on disk before anything newer is lost: the log first, then the state in one rename. */
  save(state: PretrainState, options: PretrainOptions, sources: Sources): Promise<void>;
  picture(epoch: number, image: Image): Promise<void>;
  /** The weights as float16 and their sidecar. */
  weights(weights: ReadonlyMap<string, Weight>, options: PretrainOptions, about: Readonly<Record<string, unknown>>): Promise<void>;
  config(value: unknown): Promise<void>;
}

const STATE_BYTES = 2e9;

/** The folder beside a weight file. */
export const runFolder = (out: string): string => out.replace(/\.safetensors$/, '') + '.run';

/** @throws UsageError when an earlier run would be overwritten, InputError when the folder cannot be written to or another process works in it */
export async function openPretrainFiles(out: string, mode: { resume: boolean; force: boolean }): Promise<PretrainFiles> {
  if (!out.endsWith('.safetensors')) throw new UsageError(`--out ${out} must end in .safetensors`);
  const folder = runFolder(out);
  const at = (name: string): string => join(folder, name);
  const [logPath, statePath] = [at('log.jsonl'), at('state.safetensors')];
  if (!mode.resume && !mode.force) {
    const earlier = await firstExisting([out, statePath, logPath]);
    if (earlier) throw new UsageError(`${earlier} is of an earlier run: --resume continues it, --force replaces it, or choose another --out`);
  }
  const undo = await prepareFolder(folder);
  const unlock = await lockFolder(folder).catch(async (error: unknown) => {
    await undo();
    throw error;
  });
  return {
    weightsPath: out,
    folder,
    close: async () => {
      await unlock();
      await undo();
    },
    begin: async (saved) => {
      await prepareFolder(at('pca'));
      if (saved) return truncate(logPath, saved.logBytes);
      for (const path of [out, out.replace(/\.safetensors$/, '.json'), statePath, logPath, at('config.json')]) await rm(path, { force: true });
      await rm(at('pca'), { recursive: true, force: true });
      await prepareFolder(at('pca'));
      await writeFileAtomic(logPath, '');
    },
    log: (entry) => appendDurably(logPath, JSON.stringify(entry) + '\n'),
    save: async (state, options, sources) => {
      const logBytes = (await stat(logPath)).size;
      const tensors = new Map([...state.arrays].map(([name, data]) => [name, { shape: [data.length], data }]));
      const metadata = { format: 'splice-gpu pretraining', step: String(state.step), options: JSON.stringify(options), ...sources, logBytes: String(logBytes) };
      await writeFileAtomic(statePath, serializeSafetensors(tensors, metadata));
    },
    picture: (epoch, image) => writeImage(at(`pca/epoch-${String(epoch).padStart(4, '0')}.png`), image),
    weights: async (weights, options, about) => {
      await writeFileAtomic(out, serializeSafetensors(weights, { format: 'pt' }, 'F16'));
      const { dim, depth, heads, patch, image, mean, std } = vitConfigOf(options);
      await writeJson(out.replace(/\.safetensors$/, '.json'), { name: basename(out, '.safetensors'), ...about, dim, depth, heads, patch, image, mean, std });
    },
    config: (value) => writeJson(at('config.json'), value),
  };
}

/**
 * The state that the run beside `out` saved last.
 * @throws InputError when there is none, or it is damaged
 */
export async function readSavedRun(out: string): Promise<SavedRun> {
  const path = join(runFolder(out), 'state.safetensors');
  let bytes: Buffer;
  try {
    if ((await stat(path)).size > STATE_BYTES) throw new InputError(`${path} is too large for a saved state`);
    bytes = await readFile(path);
  } catch (error) {
    throw error instanceof InputError ? error : new InputError(`nothing to resume: ${path} ${fileProblem(error)}`, { cause: error });
  }
  try {
    const { tensors, metadata } = parseSafetensors(bytes);
    const [step, options, photos, logBytes] = ['step', 'options', 'photos', 'logBytes'].map((key) => metadata.get(key));
    if (metadata.get('format') !== 'splice-gpu pretraining' || !step || !options || !photos || !logBytes) throw new Error('it is not the state of a pretraining');
    const keys = Object.keys(stateNames) as StateName[];
    const arrays = new Map(keys.flatMap((key) => (tensors.has(key) ? [[key, tensors.get(key)!.data] as const] : [])));
    const teacher = metadata.get('teacher');
    return { state: { step: Number(step), arrays }, options: JSON.parse(options) as PretrainOptions, photos, ...(teacher && { teacher }), logBytes: Number(logBytes) };
  } catch (error) {
    throw new InputError(`${path} cannot be resumed (${(error as Error).message}): start again with --force`, { cause: error });
  }
}

async function firstExisting(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) if (await stat(path).then(() => true, () => false)) return path;
  return undefined;
}

/** On disk when it returns, so that a saved state never speaks of lines that a power cut took. */
async function appendDurably(path: string, line: string): Promise<void> {
  try {
    const file = await open(path, 'a');
    try {
      await file.writeFile(line);
      await file.datasync();
    } finally {
      await file.close();
    }
  } catch (error) {
    throw new InputError(`${join(dirname(path), basename(path))} ${fileProblem(error)}`, { cause: error });
  }
}
