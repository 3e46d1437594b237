/** Brings models into the cache: from the address of their makers, from a mirror, or from a file. */
import { copyFile, mkdir, readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import { extname, join, resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { isHeld, lockFolder } from '../shared/lock.js';
import { fileError, InputError, UsageError } from '../shared/errors.js';
import { exists } from '../shared/files.js';
import type { Output } from '../shared/progress.js';
import { download, hashFile, type DownloadOptions } from './download.js';
import { fileOf, type KnownModel } from './known.js';
import { downloadProgress } from './progress.js';
import { readVit, told } from './read.js';
import { withoutPassword } from './request.js';
import { readSidecar } from './sidecar.js';
import { checkName, findStored, firstSeen, openStore, rememberFirstSeen, store, weightsPath, type StoredModel } from './store.js';
import { differenceOf, replaceIt, trustOf, whyWrong } from './trust.js';

export interface GetOptions {
  /** Address of a folder that has the files under their own names. */
  readonly mirror?: string;
  /** Accepts a file with another checksum than is known, unless its makers publish that. */
  readonly trust?: boolean;
  readonly signal: AbortSignal;
  readonly output: Output;
  /** Times of the download; shorter in tests and for the default model. */
  readonly patience?: Pick<DownloadOptions, 'answerMs' | 'silenceMs' | 'attempts' | 'pauseMs'>;
}

/** A file that arrived whole and holds a ViT, but has another checksum than is known. It is kept. */
export class RefusedError extends InputError {}

/** The address of a model's file. @throws UsageError when the mirror is not an address */
export function addressOf(model: KnownModel, mirror = process.env['SPLICE_GPU_MIRROR']): string {
  if (!mirror) return model.url;
  const isAddress = /^https?:\/\//.test(mirror) && URL.canParse(mirror);
  if (isAddress) return `${mirror.replace(/\/+$/, '')}/${fileOf(model)}`;
  const problem = `the mirror "${withoutPassword(mirror)}" is not an address`;
  throw new UsageError(`${problem}: give one that begins with https:// or http://`);
}

/** A separate folder, for one process at a time: two downloads into one file would damage it. */
const fetchFolder = async (name: string): Promise<string> => join(await openStore(), `.${name}.fetch`);

/**
 * The model in the cache, fetched if it is not there.
 * @throws InputError when it cannot be fetched or is not what it should be; the signal's reason when aborted
 */
export async function getModel(model: KnownModel, options: GetOptions): Promise<StoredModel> {
  const present = await findStored(model.name);
  if (present) return checkStored(present);
  const url = addressOf(model, options.mirror);
  const folder = await fetchFolder(model.name);
  const unlock = await lockFetch(folder, model.name, options);
  try {
    // Another process may have fetched it in the meantime.
    return (await findStored(model.name)) ?? (await fetchInto(url, folder, model, options));
  } finally {
    await unlock();
    await rmdir(folder).catch(() => undefined); // fails when a part is kept in it
  }
}

/** @throws InputError for a file that is not what the model's makers, or the user, count as the model */
export function checkStored(stored: StoredModel): StoredModel {
  if (stored.trust !== 'wrong') return stored;
  throw new InputError(`${weightsPath(stored)} in the cache: ${whyWrong(stored)}; ${replaceIt(stored.name)}`);
}

const PAUSE_MS = 300;
/** Longer than any silence within a download, and than the check of what arrived. */
const MOST_QUIET_MS = 120_000;

/** Takes the folder of a download, after the process that has it. @throws InputError when nothing happens in it any more */
async function lockFetch(folder: string, name: string, { signal, output }: GetOptions): Promise<() => Promise<void>> {
  for (let [waits, quiet, size] = [0, 0, 0]; ; waits++) {
    await mkdir(folder, { recursive: true }).catch((error: unknown) => {
      throw fileError(folder, error);
    });
    const isFree = !(await isHeld(folder)) || quiet > MOST_QUIET_MS;
    const unlock = isFree && (await lockFolder(folder).catch(async (error: Error) => {
      // Another process was faster, or removed the folder that it had finished with.
      if (quiet <= MOST_QUIET_MS && (error.cause === undefined || !(await exists(folder)))) return undefined;
      throw error;
    }));
    if (unlock) return unlock;
    if (waits === 0) output.write(`note: another process is fetching ${name}: waiting for it\n`);
    await wait(PAUSE_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
    const before = size;
    size = await bytesIn(folder);
    quiet = size === before ? quiet + PAUSE_MS : 0;
  }
}

async function bytesIn(folder: string): Promise<number> {
  const files = await readdir(folder).catch(() => []);
  const sizes = await Promise.all(files.map((file) => stat(join(folder, file)).then((info) => info.size, () => 0)));
  return sizes.reduce((sum, size) => sum + size, 0);
}

async function fetchInto(
  address: string, folder: string, model: KnownModel, { trust, signal, output, patience }: GetOptions,
): Promise<StoredModel> {
  const { name, megabytes, license, isPublished } = model;
  const [url, part] = [withoutPassword(address), join(folder, fileOf(model))];
  const kept = await refusedFile(folder);
  if (kept) await (trust ? rename(join(folder, kept), part) : rm(join(folder, kept), { force: true }));
  const intro = `fetching ${name} from ${url}, about ${megabytes} MB, license ${license}\n`;
  const { update: onProgress, finish } = downloadProgress(name, intro, output);
  const expected = isPublished ? { bytes: model.bytes, sha256: model.sha256 } : { most: 2e6 * megabytes };
  const { bytes, sha256 } = kept && trust
    ? { bytes: (await stat(part)).size, sha256: await hashFile(part) }
    : await download(address, part, { signal, expected, onProgress, ...patience }).finally(finish);
  await readVit({ path: part }).catch(async (error: Error) => {
    await rm(part, { force: true });
    throw new InputError(`the file from ${url} cannot be used: ${error.message}; it was removed`, { cause: error });
  });
  const seen = await firstSeen(name);
  const difference = isPublished ? undefined : differenceOf(model, seen, { bytes, sha256 });
  if (difference && !trust) {
    // One of another size altogether is not worth its room.
    if (bytes > 0.5e6 * megabytes) await rename(part, join(folder, `${sha256}${REFUSED}`));
    else await rm(part, { force: true });
    throw new RefusedError(`${url} is not the expected file: ${difference}`);
  }
  // Before the file counts, so that it cannot be in the cache without being remembered.
  if (!isPublished && sha256 !== model.sha256) await rememberFirstSeen(name, sha256);
  const facts = { name, file: `${name}${extname(url)}`, bytes, sha256, from: url };
  const record = await store(part, { ...facts, trust: trustOf(facts, sha256) });
  if (sha256 !== model.sha256) output.write(`note: ${trustNote(model, sha256, seen)}\n`);
  return record;
}

function trustNote({ name, sha256: reported }: KnownModel, sha256: string, seen: string | undefined): string {
  const known = reported === undefined ? `no checksum of ${name} is published` : `the reported checksum of ${name} is another`;
  if (seen === sha256) return `${known}; it is the file that was fetched first`;
  return `${known}; this file (SHA-256 ${sha256}) is trusted and remembered`;
}

/** Ends the name of a file that was refused; the name begins with its checksum. */
const REFUSED = '.refused';

const refusedFile = async (folder: string): Promise<string | undefined> =>
  (await readdir(folder).catch(() => [])).find((file) => file.endsWith(REFUSED));

/** @throws RefusedError when a file of the model arrived before and was refused: it would only arrive again */
export async function checkRefused(model: KnownModel): Promise<void> {
  const sha256 = (await refusedFile(await fetchFolder(model.name)))?.slice(0, -REFUSED.length);
  const difference = sha256 && differenceOf(model, await firstSeen(model.name), { sha256 });
  if (difference) throw new RefusedError(`the ${model.name} that arrived is not the expected file: ${difference}`);
}

/**
 * Copies a file into the cache under a new name, with the settings of its .json file. @param output gets a line if it has several
 * @throws UsageError when the name is taken, InputError when the file is not a ViT
 */
export async function addModel(path: string, name: string, output?: Output): Promise<StoredModel> {
  checkName(name);
  if (/\.json$/i.test(path)) {
    throw new UsageError(`${path} is an index of several files: join them into one .safetensors, or give the index to --model`);
  }
  if (await findStored(name)) throw new UsageError(`the cache has a model ${name}: choose another name, or remove it first`);
  told(await readVit({ path }), output);
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
