/** The cache of models: one weight file and one .json about it per name, both written whole or not at all. */
import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder } from './cache.js';
import { fileProblem, InputError, UsageError } from '../shared/errors.js';
import { writeJson } from '../shared/files.js';
import { hashFile } from './download.js';

/** How the checksum came to be known. */
export type Trust = 'published' | 'first use' | 'added';

/** What the cache knows about a model; may hold a sidecar's settings, too. */
export interface StoredModel {
  readonly name: string;
  /** Name of the weight file beside it. */
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
  /** The address or path it came from. */
  readonly from: string;
  readonly trust: Trust;
  /** When, in ISO 8601. */
  readonly stored: string;
}

/** Checksums seen first, by model name. They outlive `remove`: a file that changes at its address is noticed. */
type FirstSeen = Record<string, { readonly sha256: string; readonly seen: string }>;

const FIRST_SEEN = '.first-seen.json';
const NAME = /^[A-Za-z0-9][\w.-]{0,63}$/;

export const modelsFolder = (): string => join(cacheFolder(), 'models');

/** @throws UsageError for names that are no plain file names */
export function checkName(name: string): string {
  if (NAME.test(name)) return name;
  throw new UsageError(`"${name}" cannot be a model's name: use letters, digits, dots, dashes and underscores, 64 at most`);
}

/** Path of a model's weights. */
export const weightsPath = ({ file }: StoredModel): string => join(modelsFolder(), file);

const recordPath = (name: string): string => join(modelsFolder(), `${name}.json`);

/** Everything in the cache, by name. Damaged records are left out: `get` and `add` write them anew. */
export async function storedModels(): Promise<StoredModel[]> {
  const names = await readdir(modelsFolder()).catch(() => []);
  const records = await Promise.all(names.filter((name) => name.endsWith('.json') && !name.startsWith('.')).map((name) => findStored(name.slice(0, -5))));
  return records.filter((record) => record !== undefined).sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The model `name` in the cache, if its record and its file are there. */
export async function findStored(name: string): Promise<StoredModel | undefined> {
  if (!NAME.test(name)) return undefined;
  const record = await readJson(recordPath(name));
  if (!isRecord(record) || record.name !== name) return undefined;
  return stat(weightsPath(record)).then(() => record, () => undefined);
}

function isRecord(value: unknown): value is StoredModel {
  const { name, file, bytes, sha256, from, trust, stored } = (value ?? {}) as Partial<Record<keyof StoredModel, unknown>>;
  const texts = [name, file, sha256, from, trust, stored];
  return texts.every((text) => typeof text === 'string') && typeof bytes === 'number' && !/[\\/]/.test(file as string);
}

/** Makes the cache's folder. @throws InputError when it cannot be made */
export async function openStore(): Promise<string> {
  const folder = modelsFolder();
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw new InputError(`the cache ${folder} ${fileProblem(error)} (SPLICE_GPU_CACHE names another)`, { cause: error });
  });
  return folder;
}

/** Takes `temporary`, a file in the cache's folder, as the weights of `record`; `settings` are a sidecar's. The record comes last: without it the file counts for nothing. */
export async function store(temporary: string, record: StoredModel, settings: object = {}): Promise<void> {
  await rm(recordPath(record.name), { force: true });
  await rename(temporary, weightsPath(record));
  await writeJson(recordPath(record.name), { ...settings, ...record });
}

export async function removeStored(record: StoredModel): Promise<void> {
  await rm(recordPath(record.name), { force: true });
  await rm(weightsPath(record), { force: true });
}

/** What is wrong with a model's file, if anything is. */
export async function verifyStored(record: StoredModel): Promise<string | undefined> {
  const sha256 = await hashFile(weightsPath(record));
  return sha256 === record.sha256 ? undefined : `its SHA-256 is ${sha256} instead of ${record.sha256}`;
}

/** The checksum the model had when it was fetched first. */
export async function firstSeen(name: string): Promise<string | undefined> {
  return ((await readJson(join(modelsFolder(), FIRST_SEEN))) as FirstSeen | undefined)?.[name]?.sha256;
}

export async function rememberFirstSeen(name: string, sha256: string): Promise<void> {
  const path = join(modelsFolder(), FIRST_SEEN);
  const known = (await readJson(path)) as FirstSeen | undefined;
  await writeJson(path, { ...known, [name]: { sha256, seen: new Date().toISOString() } });
}

/** A JSON object, or undefined when there is none. */
async function readJson(path: string): Promise<unknown> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
