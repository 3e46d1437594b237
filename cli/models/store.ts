/** The cache of models: per name a weight file and a .json record, both written whole or not at all. */
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileProblem, InputError, UsageError } from '../shared/errors.js';
import { exists, readJson, writeJson } from '../shared/files.js';
import { cacheFolder } from '../shared/cache.js';
import { hashFile } from './download.js';
import { trustOf, whyWrong, type Trust } from './trust.js';

/** The record of a model; its file may hold the settings of a sidecar too. */
export interface StoredModel {
  readonly name: string;
  /** Name of the weight file in the same folder. */
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
  /** The address or path it came from. */
  readonly from: string;
  readonly trust: Trust;
  /** Time in ISO 8601. */
  readonly stored: string;
}

/** Checksums seen first, by model name. They outlive `remove`, so that a file that changes at its address is noticed. */
type FirstSeen = Readonly<Record<string, { readonly sha256: string; readonly seen: string }>>;

const NAME = /^[A-Za-z0-9][\w.-]{0,63}$/;

export const modelsFolder = (): string => join(cacheFolder(), 'models');

/** @throws UsageError for names that are not plain file names */
export function checkName(name: string): string {
  if (NAME.test(name)) return name;
  throw new UsageError(`"${name}" cannot be a model's name: use letters, digits, dots, dashes and underscores, 64 at most`);
}

/** Path of a model's weights. */
export const weightsPath = ({ file }: StoredModel): string => join(modelsFolder(), file);

const recordPath = (name: string): string => join(modelsFolder(), `${name}.json`);
const firstSeenPath = (): string => join(modelsFolder(), '.first-seen.json');

/** All models in the cache, by name. Damaged records are left out: `get` and `add` write them again. */
export async function storedModels(): Promise<StoredModel[]> {
  const files = await readdir(modelsFolder()).catch(() => []);
  const names = files.filter((file) => /^[^.].*\.json$/.test(file)).map((file) => file.slice(0, -'.json'.length));
  const records = await Promise.all(names.map(findStored));
  return records.filter((record) => record !== undefined).sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The model `name` in the cache, if its record and its file are there. */
export async function findStored(name: string): Promise<StoredModel | undefined> {
  const record = NAME.test(name) ? await readJson(recordPath(name)) : undefined;
  if (!isRecord(record) || record.name !== name || !(await exists(weightsPath(record)))) return undefined;
  return { ...record, trust: trustOf(record, await firstSeen(name)) };
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

/**
 * Moves `temporary`, a file in the cache's folder, to the weights of a new record. The record is written last: without it the
 * file does not count.
 * @param settings of a sidecar
 */
export async function store(temporary: string, facts: Omit<StoredModel, 'stored'>, settings: object = {}): Promise<StoredModel> {
  const record = { ...facts, stored: new Date().toISOString() };
  await rm(recordPath(record.name), { force: true });
  await rename(temporary, weightsPath(record));
  await writeJson(recordPath(record.name), { ...settings, ...record });
  return record;
}

export async function removeStored(record: StoredModel): Promise<void> {
  await rm(recordPath(record.name), { force: true });
  await rm(weightsPath(record), { force: true });
}

/** A description of what is wrong with a model's file, undefined if nothing is. */
export async function verifyStored(record: StoredModel): Promise<string | undefined> {
  if (record.trust === 'wrong') return whyWrong(record);
  const sha256 = await hashFile(weightsPath(record));
  return sha256 === record.sha256 ? undefined : `its SHA-256 is ${sha256} instead of ${record.sha256}`;
}

const seenModels = async (): Promise<FirstSeen> => ((await readJson(firstSeenPath())) ?? {}) as FirstSeen;

/** The checksum the model had when it was fetched first. */
export const firstSeen = async (name: string): Promise<string | undefined> => (await seenModels())[name]?.sha256;

export const rememberFirstSeen = async (name: string, sha256: string): Promise<void> =>
  writeJson(firstSeenPath(), { ...(await seenModels()), [name]: { sha256, seen: new Date().toISOString() } });
