/**
 * A run's folder in the store: every file by its hash, and a list of them, which is a file of the store as well. A list may come
 * from a stranger, so only files that a run has are taken out of it.
 */
import { mkdir, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { InputError } from '../shared/errors.js';
import { parseJson, writeFileAtomic } from '../shared/files.js';
import { readBounded } from '../shared/read.js';
import { isHash, MAX_FILE, type Hash } from './place.js';
import type { Store } from './store.js';

/** The files of a run, by their paths in its folder. */
export type Files = Readonly<Record<string, Hash>>;

export interface Packed {
  readonly list: Hash;
  readonly files: Files;
}

/** All that a run or its seeds may have in their folder; no name leads out of it. */
const FILE = /^(seeds\/\d{1,16}\/)?((previews|checkpoints|kept)\/\d{5,12}|[a-z][a-z\d]{0,30})\.(png|safetensors|jsonl?|svg)$/;
export const SCORES = 'seeds/scores.json';
const FORMAT = 'splice-gpu run 1';
/** Of a list, and of one run. */
const MAX_LIST = 4e6, MOST_FILES = 20_000;

/** Pictures of seeds after a round. */
const SEED_PICTURE = /^seeds\/\d{1,16}-\d{5,12}\.png$/;

const isFile = (name: string): boolean => FILE.test(name) || SEED_PICTURE.test(name) || name === SCORES;
const isCheckpoint = (name: string): boolean => /(^|\/)checkpoints\//.test(name);

/**
 * Puts a run's folder into the store while the run goes on. Checkpoints are read first: whatever else is read is at least as far,
 * and a resume cuts it back.
 */
export async function pack(folder: string, store: Store): Promise<Packed> {
  const names = await readdir(folder, { recursive: true, encoding: 'utf8' });
  const wanted = names.map((name) => name.replaceAll('\\', '/')).filter(isFile).sort();
  const files: Record<string, Hash> = {};
  for (const name of [...wanted.filter(isCheckpoint), ...wanted.filter((each) => !isCheckpoint(each))]) {
    const bytes = await readBounded(join(folder, name), { maxBytes: MAX_FILE }).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined; // the run has replaced it
      throw error;
    });
    if (bytes) files[name] = await store.put(bytes);
  }
  return { list: await store.put(Buffer.from(JSON.stringify({ format: FORMAT, files }))), files };
}

/**
 * Removes checkpoints from the store that a newer list made useless. It is told of lists that Redis has noted, and keeps those
 * of the one before: a crash of Redis may cost it the last second.
 */
export function sweeper(store: Store) {
  let before: readonly Hash[] = [], last: readonly Hash[] = [];
  return async (files: Files): Promise<void> => {
    const now = Object.entries(files).flatMap(([name, hash]) => (isCheckpoint(name) ? [hash] : []));
    const useless = before.filter((hash) => !last.includes(hash) && !now.includes(hash));
    [before, last] = [last, now];
    for (const hash of useless) await store.remove(hash).catch(() => undefined);
  };
}

/** @throws InputError for a list that is missing, damaged, or names anything but files of a run */
export async function readList(list: Hash, store: Store): Promise<Files> {
  const bytes = await store.get(list);
  const { format, files } = bytes.length > MAX_LIST ? {} : parseJson(bytes.toString('utf8')) ?? {};
  const entries = typeof files === 'object' && files !== null ? Object.entries(files) : [];
  const isRight = format === FORMAT && entries.length > 0 && entries.length <= MOST_FILES
    && entries.every(([name, hash]) => isFile(name) && isHash(hash));
  if (!isRight) throw new InputError(`${store.name} has something else than a run under ${list}`);
  return files as Files;
}

/** Writes the files of a list into a folder. @throws as `readList` and the store */
export async function unpack(files: Files, folder: string, store: Store): Promise<void> {
  for (const name of Object.keys(files)) await mkdir(dirname(join(folder, name)), { recursive: true });
  for (const [name, hash] of Object.entries(files)) await writeFileAtomic(join(folder, name), await store.get(hash));
}
