/** Brings models into the cache: from the address of their makers, from a mirror, or from a file. */
import { copyFile, mkdir, rm, rmdir, stat } from 'node:fs/promises';
import { extname, join, resolve } from 'node:path';
import { lockFolder } from '../shared/lock.js';
import { fileError, InputError, UsageError } from '../shared/errors.js';
import type { Output } from '../shared/progress.js';
import { download, hashFile, type DownloadOptions } from './download.js';
import { fileOf, type KnownModel } from './known.js';
import { downloadProgress } from './progress.js';
import { readVit } from './read.js';
import { readSidecar } from './sidecar.js';
import { checkName, findStored, firstSeen, openStore, rememberFirstSeen, store, type StoredModel } from './store.js';

export interface GetOptions {
  /** Address of a folder that has the files under their own names. */
  readonly mirror?: string;
  /** Accepts a file that differs from the one that was fetched first. */
  readonly trust?: boolean;
  readonly signal: AbortSignal;
  readonly output: Output;
  /** Times of the download; shorter in tests and for the default model. */
  readonly patience?: Pick<DownloadOptions, 'answerMs' | 'silenceMs' | 'attempts' | 'pauseMs'>;
}

/** The address of a model's file. @throws UsageError when the mirror is not an address */
export function addressOf(model: KnownModel, mirror = process.env['SPLICE_GPU_MIRROR']): string {
  if (!mirror) return model.url;
  const isAddress = /^https?:\/\//.test(mirror) && URL.canParse(mirror);
  if (!isAddress) throw new UsageError(`the mirror "${mirror}" is not an address: give one that begins with https:// or http://`);
  return `${mirror.replace(/\/+$/, '')}/${fileOf(model)}`;
}

/**
 * The model in the cache, fetched if it is not there.
 * @throws InputError when it cannot be fetched or is not what it should be; the signal's reason when aborted
 */
export async function getModel(model: KnownModel, options: GetOptions): Promise<StoredModel> {
  const present = await findStored(model.name);
  if (present) return present;
  const url = addressOf(model, options.mirror);
  // A separate folder, for one process at a time: two downloads into one file would damage it.
  const folder = join(await openStore(), `.${model.name}.fetch`);
  await mkdir(folder, { recursive: true });
  const unlock = await lockFolder(folder);
  try {
    return await fetchInto(url, join(folder, fileOf(model)), model, options);
  } finally {
    await unlock();
    await rmdir(folder).catch(() => undefined); // fails when a part is kept in it
  }
}

async function fetchInto(
  url: string, part: string, model: KnownModel, { trust, signal, output, patience }: GetOptions,
): Promise<StoredModel> {
  const { name, sha256: published, megabytes, license } = model;
  const remembered = published ?? (trust ? undefined : await firstSeen(name));
  const intro = `fetching ${name} from ${url}, about ${megabytes} MB, license ${license}\n`;
  const { update: onProgress, finish } = downloadProgress(name, intro, output);
  const expected = { bytes: model.bytes, sha256: remembered };
  const { bytes, sha256 } = await download(url, part, { signal, expected, onProgress, ...patience })
    .finally(finish)
    .catch((error: Error) => {
      const isOther = !published && remembered && error instanceof InputError && error.message.includes(remembered);
      const remedy = 'the file is not the one that was fetched first: --trust accepts it';
      throw isOther ? new InputError(`${error.message}; ${remedy}`, { cause: error }) : error;
    });
  await readVit({ path: part }).catch(async (error: Error) => {
    await rm(part, { force: true });
    throw new InputError(`the file from ${url} cannot be used: ${error.message}; it was removed`, { cause: error });
  });
  const trusted = published ? 'published' : 'first use';
  const record = await store(part, { name, file: `${name}${extname(url)}`, bytes, sha256, from: url, trust: trusted });
  if (!published) {
    await rememberFirstSeen(name, sha256);
    const why = remembered ? 'it is the file that was fetched first' : `this file (SHA-256 ${sha256}) is trusted and remembered`;
    output.write(`note: no checksum of ${name} is published; ${why}\n`);
  }
  return record;
}

/**
 * Copies a file into the cache under a new name, with the settings of its .json file.
 * @throws UsageError when the name is taken, InputError when the file is not a ViT
 */
export async function addModel(path: string, name: string): Promise<StoredModel> {
  checkName(name);
  if (/\.json$/i.test(path)) {
    throw new UsageError(`${path} is an index of several files: join them into one .safetensors, or give the index to --model`);
  }
  if (await findStored(name)) throw new UsageError(`the cache has a model ${name}: choose another name, or remove it first`);
  await readVit({ path });
  const part = join(await openStore(), `.${name}.${process.pid}.tmp`);
  try {
    await copyFile(path, part);
    const [{ size: bytes }, sha256] = await Promise.all([stat(part), hashFile(part)]);
    const file = `${name}${extname(path) || '.weights'}`;
    return await store(part, { name, file, bytes, sha256, from: resolve(path), trust: 'added' }, await readSidecar(path));
  } catch (error) {
    await rm(part, { force: true });
    throw fileError(path, error);
  }
}
