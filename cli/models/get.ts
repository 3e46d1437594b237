/** Brings models into the cache: from the address of those who trained them, from a mirror, or from a file. */
import { copyFile, mkdir, rm, rmdir, stat } from 'node:fs/promises';
import { extname, join, resolve } from 'node:path';
import { fileProblem, InputError, UsageError } from '../shared/errors.js';
import { lockFolder } from '../run/lock.js';
import type { Output } from '../shared/progress.js';
import { download, hashFile, type DownloadOptions } from './download.js';
import { fileOf, type KnownModel } from './known.js';
import { downloadProgress } from './progress.js';
import { checkName, findStored, firstSeen, openStore, rememberFirstSeen, store, type StoredModel } from './store.js';

export interface GetOptions {
  /** Address of a folder that has the files under their own names. */
  readonly mirror?: string;
  /** Takes a file that is not the one that was fetched first. */
  readonly trust?: boolean;
  readonly signal: AbortSignal;
  readonly output: Output;
  /** Of the download; tests and defaults are less patient. */
  readonly patience?: Pick<DownloadOptions, 'answerMs' | 'silenceMs' | 'attempts' | 'pauseMs'>;
}

/** Throws what is wrong with weights in words, or returns; handed in because reading weights needs the models. */
export type CheckWeights = (path: string) => Promise<void>;

/** The address of a model's file. @throws UsageError when the mirror is none */
export function addressOf(model: KnownModel, mirror = process.env['SPLICE_GPU_MIRROR']): string {
  if (!mirror) return model.url;
  if (!/^https?:\/\//.test(mirror) || !URL.canParse(mirror)) throw new UsageError(`the mirror "${mirror}" is no address: give one that begins with https:// or http://`);
  return `${mirror.replace(/\/+$/, '')}/${fileOf(model)}`;
}

/**
 * The model in the cache, fetched if it is not there.
 * @throws InputError when it cannot be had or is not what it should be; the signal's reason when aborted
 */
export async function getModel(model: KnownModel, options: GetOptions, check: CheckWeights): Promise<StoredModel> {
  const present = await findStored(model.name);
  if (present) return present;
  const url = addressOf(model, options.mirror);
  // A folder of its own, for one process at a time: two downloads into one file would spoil it.
  const folder = join(await openStore(), `.${model.name}.fetch`);
  await mkdir(folder, { recursive: true });
  const unlock = await lockFolder(folder);
  try {
    return await fetchInto(url, join(folder, fileOf(model)), model, options, check);
  } finally {
    await unlock();
    await rmdir(folder).catch(() => undefined); // not when a part waits in it
  }
}

async function fetchInto(url: string, part: string, model: KnownModel, { trust, signal, output, patience }: GetOptions, check: CheckWeights): Promise<StoredModel> {
  const remembered = model.sha256 ?? (trust ? undefined : await firstSeen(model.name));
  const progress = downloadProgress(model.name, output);
  let announced = false;
  const onProgress = (done: number, total: number | undefined): void => {
    // Not before something comes: without a network there is nothing to tell but that.
    if (!announced) output.write(`fetching ${model.name} from ${url}, about ${model.megabytes} MB, license ${model.license}\n`);
    announced = true;
    progress.update(done, total);
  };
  const expected = { ...(model.bytes !== undefined && { bytes: model.bytes }), ...(remembered && { sha256: remembered }) };
  const { bytes, sha256 } = await download(url, part, { signal, expected, onProgress, ...patience })
    .finally(progress.finish)
    .catch((error: unknown) => {
      const changed = !model.sha256 && remembered && error instanceof InputError && error.message.includes(remembered);
      throw changed ? new InputError(`${error.message}; the file is not the one that was fetched first: --trust takes it all the same`, { cause: error }) : error;
    });
  await check(part).catch(async (error: unknown) => {
    await rm(part, { force: true });
    throw new InputError(`what came from ${url} cannot be used: ${(error as Error).message}; it was removed`, { cause: error });
  });
  const record: StoredModel = {
    name: model.name, file: `${model.name}${extname(fileOf(model))}`, bytes, sha256, from: url, trust: model.sha256 ? 'published' : 'first use', stored: new Date().toISOString(),
  };
  await store(part, record);
  if (!model.sha256) {
    await rememberFirstSeen(model.name, sha256);
    output.write(`note: no checksum of ${model.name} is published; ${remembered ? 'it is the file that was fetched first' : `this file (SHA-256 ${sha256}) is trusted and remembered`}\n`);
  }
  return record;
}

/**
 * Copies a file into the cache under a name of its own, with the settings of the .json beside it.
 * @throws UsageError when the name is taken, InputError when the file is no ViT
 */
export async function addModel(path: string, name: string, settings: object, check: CheckWeights): Promise<StoredModel> {
  checkName(name);
  if (/\.json$/i.test(path)) throw new UsageError(`${path} is an index of several files: join them into one .safetensors first, or give the index to --model as it is`);
  if (await findStored(name)) throw new UsageError(`the cache has a model ${name}: choose another name, or remove it first`);
  await check(path);
  const part = join(await openStore(), `.${name}.${process.pid}.tmp`);
  try {
    await copyFile(path, part);
    const [{ size }, sha256] = await Promise.all([stat(part), hashFile(part)]);
    const record: StoredModel = { name, file: `${name}${extname(path) || '.weights'}`, bytes: size, sha256, from: resolve(path), trust: 'added', stored: new Date().toISOString() };
    await store(part, record, settings);
    return record;
  } catch (error) {
    await rm(part, { force: true });
    throw error instanceof InputError ? error : new InputError(`${path} ${fileProblem(error)}`, { cause: error });
  }
}
