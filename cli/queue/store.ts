/**
 * Files by content: a file's name is the SHA-256 of its bytes, so that each is stored once, and damage shows on arrival.
 * A store is a folder that all machines see, or a bucket of an S3-compatible service.
 */
import { mkdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fileError, InputError, UsageError } from '../shared/errors.js';
import { sha256, writeFileAtomic } from '../shared/files.js';
import { readBounded } from '../shared/read.js';
import { isHash, MAX_FILE, StoreError, type Hash, type Place } from './place.js';

export interface Store {
  /** For people, without secrets. */
  readonly name: string;
  /** Stores a file, whole or not at all; one that is there already is not sent again. @throws StoreError */
  put(bytes: Uint8Array): Promise<Hash>;
  /** @throws InputError for a file that is missing or damaged, StoreError when the store does not answer */
  get(hash: Hash): Promise<Buffer>;
  /** Removes a file; it may be gone already. */
  remove(hash: Hash): Promise<void>;
}

/** @throws UsageError for another kind of address, StoreError when nothing can be written there */
export async function openStore(address: string): Promise<Store> {
  const store = storeAt(await placeOf(address));
  const probe = await store.put(Buffer.from('splice-gpu writes here\n'));
  await store.get(probe);
  return store;
}

async function placeOf(address: string): Promise<Place> {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url?.protocol === 'file:') return folderAt(url);
  if (url?.protocol === 's3:') return (await import('./s3.js')).bucketAt(url);
  throw new UsageError(`--store ${shownAddress(address)} is no store: give file:///FOLDER or s3://BUCKET/PREFIX`);
}

/** Without what may be a password. */
export const shownAddress = (address: string): string => address.replace(/\/\/[^/]*@/, '//...@').slice(0, 200);

/** The checks that all stores share. */
export function storeAt(place: Place): Store {
  return {
    name: place.name,
    put: async (bytes) => {
      const hash = sha256(bytes);
      if ((await place.size(hash)) !== bytes.length) await place.write(hash, bytes);
      return hash;
    },
    get: async (hash) => {
      const bytes = isHash(hash) ? await place.read(hash) : undefined;
      if (!bytes) throw new InputError(`${place.name} has no file ${String(hash).slice(0, 64)}: enqueue the job again`);
      if (sha256(bytes) === hash) return bytes;
      throw new InputError(`${place.name} has a damaged file ${hash}: delete it, and enqueue the job again`);
    },
    remove: (hash) => place.remove(hash),
  };
}

/** A folder per first two digits, as file systems get slow with many files in one. */
async function folderAt(url: URL): Promise<Place> {
  const root = folderOf(url);
  const pathOf = (hash: Hash): string => join(root, hash.slice(0, 2), hash);
  const found = await stat(root).catch((error: unknown) => error as NodeJS.ErrnoException);
  if (found instanceof Error || !found.isDirectory()) {
    throw new StoreError(`--store ${url.href}: there is no folder ${root}: create it, or mount what it is on`);
  }
  const size = (hash: Hash): Promise<number | undefined> => stat(pathOf(hash)).then((info) => info.size, () => undefined);
  return {
    name: url.href,
    size,
    read: async (hash) => {
      if ((await size(hash)) === undefined) return undefined;
      return readBounded(pathOf(hash), { maxBytes: MAX_FILE }).catch((error: unknown) => {
        throw new StoreError(fileError(pathOf(hash), error).message, { cause: error });
      });
    },
    write: async (hash, bytes) => {
      try {
        await mkdir(dirname(pathOf(hash)), { recursive: true });
        await writeFileAtomic(pathOf(hash), bytes);
      } catch (error) {
        // Another machine may have written the same file at the same moment.
        if ((await size(hash)) === bytes.length) return;
        throw new StoreError(`the store ${url.href}: ${fileError(pathOf(hash), error).message}`, { cause: error });
      }
    },
    remove: (hash) => rm(pathOf(hash), { force: true }),
  };
}

function folderOf(url: URL): string {
  try {
    return fileURLToPath(url);
  } catch (error) {
    throw new UsageError(`--store ${url.href} is no folder of this machine: give file:///FOLDER`, { cause: error });
  }
}
