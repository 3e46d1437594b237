/** The last run, kept in the browser (IndexedDB), so that a tab that was closed goes on. Runs in a worker. */
import type { PhotoFiles } from './messages.js';

const [DATABASE, STORE, KEY] = ['splice-gpu studio', 'runs', 'newest'];

const answered = <T>(request: IDBRequest<T>): Promise<T> => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error ?? new Error('the browser keeps nothing'));
});

async function store(mode: IDBTransactionMode): Promise<IDBObjectStore> {
  const opening = indexedDB.open(DATABASE, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
  return (await answered(opening)).transaction(STORE, mode).objectStore(STORE);
}

/** A run's file, and the photos as they came, which are larger than those in it. */
export interface KeptRun {
  readonly run: Blob;
  readonly files?: PhotoFiles;
  /** A PNG of its picture with detail. */
  readonly picture?: Blob;
}

/** Replaces the run before, as a whole or not at all. @throws Error when the browser has no room, or keeps nothing */
export async function keepRun(kept: KeptRun): Promise<void> {
  await answered((await store('readwrite')).put(kept, KEY));
}

/** Undefined when there is none, or nothing can be kept. */
export const keptRun = (): Promise<KeptRun | undefined> =>
  store('readonly').then((runs) => answered<KeptRun | undefined>(runs.get(KEY))).catch(() => undefined);
