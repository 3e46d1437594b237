/** The last run, kept in the browser (IndexedDB), so that a tab that was closed goes on. Runs in a worker. */

const [DATABASE, STORE, KEY] = ['splice-gpu studio', 'runs', 'last'];

const answered = <T>(request: IDBRequest<T>): Promise<T> => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error ?? new Error('the browser keeps nothing'));
});

async function store(mode: IDBTransactionMode): Promise<IDBObjectStore> {
  const opening = indexedDB.open(DATABASE, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
  return (await answered(opening)).transaction(STORE, mode).objectStore(STORE);
}

/** Replaces the run before, as a whole or not at all. @throws Error when the browser has no room, or keeps nothing */
export async function keepRun(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  await answered((await store('readwrite')).put(new Blob([bytes]), KEY));
}

/** Undefined when there is none, or nothing can be kept. */
export const keptRun = (): Promise<Blob | undefined> =>
  store('readonly').then((runs) => answered<Blob | undefined>(runs.get(KEY))).catch(() => undefined);
