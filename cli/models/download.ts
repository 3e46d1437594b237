/** Downloads a file. A cut connection loses nothing that has arrived, and a wrong file is never accepted. */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, rm, stat, truncate } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { fileError, InputError } from '../shared/errors.js';
import { readJson, writeJson } from '../shared/files.js';
import { request, TransientError, withoutPassword, type Answer } from './request.js';

export interface DownloadOptions {
  readonly signal: AbortSignal;
  readonly expected: {
    readonly bytes?: number | undefined;
    readonly sha256?: string | undefined;
    /** Most bytes of a file whose exact size is not known. */
    readonly most?: number | undefined;
  };
  readonly onProgress: (done: number, total: number | undefined) => void;
  /** Longest wait for an answer. */
  readonly answerMs?: number;
  /** Longest silence within an answer. */
  readonly silenceMs?: number;
  /** Consecutive attempts without any data. */
  readonly attempts?: number;
  /** Pause before the second attempt; doubled each time. */
  readonly pauseMs?: number;
}

interface Downloaded {
  readonly bytes: number;
  readonly sha256: string;
}

/** More than any model here; an endless answer must not fill the disk. */
const MOST_BYTES = 4e9;

const notFetched = (url: string, problem: string, cause?: unknown): InputError =>
  new InputError(`${withoutPassword(url)} could not be fetched: ${problem}`, { cause });

const notExpected = (url: string, difference: string): InputError =>
  new InputError(`${withoutPassword(url)} is not the expected file: ${difference}`);

/**
 * Downloads `url` into the file `part`, resuming an earlier attempt, and returns its length and SHA-256. The part is kept for the
 * next attempt when the connection or the user ends this one, and removed when it is not the expected file.
 * @throws InputError that names the address and the remedy; the signal's reason when aborted
 */
export async function download(url: string, part: string, options: DownloadOptions): Promise<Downloaded> {
  const { signal, expected, attempts = 5, pauseMs = 500 } = options;
  for (let failures = 0; ; ) {
    const before = await sizeOf(part);
    try {
      await fetchRest(url, part, options);
      break;
    } catch (error) {
      if (!(error instanceof TransientError)) throw error;
      failures = (await sizeOf(part)) > before ? 1 : failures + 1;
      const remedy = 'try again later (the part that arrived is kept), or name a --mirror';
      if (failures >= attempts) throw notFetched(url, `${error.message}; ${remedy}`, error);
      await wait(pauseMs * 2 ** (failures - 1), undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }
  const result = { bytes: await sizeOf(part), sha256: await hashFile(part) };
  const difference = differenceOf(result, expected);
  await rm(stateOf(part), { force: true });
  if (difference === undefined) return result;
  await rm(part, { force: true });
  throw notExpected(url, `${difference}; it was removed: try again, or name a --mirror`);
}

function differenceOf(found: Downloaded, { bytes, sha256 }: DownloadOptions['expected']): string | undefined {
  if (bytes !== undefined && found.bytes !== bytes) return `it has ${found.bytes} bytes instead of ${bytes}`;
  if (sha256 !== undefined && found.sha256 !== sha256) return `its SHA-256 is ${found.sha256} instead of ${sha256}`;
  return undefined;
}

/** Appends the missing bytes to `part` with one request. @throws TransientError when another attempt may help */
async function fetchRest(url: string, part: string, options: DownloadOptions): Promise<void> {
  const { signal, expected, answerMs = 15_000, silenceMs = 30_000, onProgress } = options;
  const state = await readJson(stateOf(part));
  const validator = state?.['url'] === withoutPassword(url) ? state['validator'] : undefined;
  const have = typeof validator === 'string' ? await sizeOf(part) : 0;
  // If-Range: a server whose file has changed since then sends the whole file.
  const headers: Record<string, string> = have > 0 ? { range: `bytes=${have}-`, 'if-range': validator as string } : {};
  const answer = await request(url, { headers, signal, answerMs, silenceMs }).catch((error: Error) => {
    signal.throwIfAborted();
    throw error instanceof TransientError ? error : notFetched(url, error.message, error);
  });
  try {
    const { begin, total } = await rangeOf(answer, have, part, url);
    const most = expected.bytes ?? expected.most ?? MOST_BYTES;
    const than = expected.bytes === undefined ? ', more than' : ' instead of';
    if (total !== undefined && total > most) throw notExpected(url, `it has ${total} bytes${than} ${most}; name a --mirror`);
    // The version of the file that the bytes in `part` belong to.
    await writeJson(stateOf(part), { url: withoutPassword(url), ...validatorOf(answer) });
    const done = await append(answer.body(), part, begin, (bytes) => {
      if (bytes > most) throw notExpected(url, `it has more than ${most} bytes; name a --mirror`);
      onProgress(bytes, total);
    });
    if (total !== undefined && done < total) throw new TransientError(`the connection was cut after ${done} of ${total} bytes`);
  } finally {
    await answer.close();
  }
}

/** Position of the answer's body in the file, and the file's length if it is sent. @throws when the answer is not the file */
async function rangeOf(
  { response: { status, statusText, headers } }: Answer, have: number, part: string, url: string,
): Promise<{ begin: number; total: number | undefined }> {
  if (status === 200) return { begin: 0, total: lengthOf(headers.get('content-length')) };
  if (status === 206) {
    const [, from, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get('content-range') ?? '') ?? [];
    if (Number(from) === have) return { begin: have, total: lengthOf(total) };
  }
  if (status === 206 || status === 416) {
    await rm(part, { force: true });
    throw new TransientError('the server sent a different part from the one requested');
  }
  if (status === 408 || status === 429 || status >= 500) throw new TransientError(`the server answered ${status} ${statusText}`);
  const remedy = 'name a --mirror, or get the file from another source and add it with: splice-gpu models add FILE --name NAME';
  throw notFetched(url, `the server answered ${status} ${statusText}; ${remedy}`);
}

/** Appends to the first `begin` bytes of `part` and returns its length. @param onPiece gets the length with each piece */
async function append(
  pieces: AsyncIterable<Uint8Array>, part: string, begin: number, onPiece: (bytes: number) => void,
): Promise<number> {
  let done = begin;
  try {
    const file = await open(part, 'a');
    try {
      await truncate(part, begin);
      for await (const piece of pieces) {
        onPiece((done += piece.length));
        await file.writeFile(piece);
      }
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    throw (error as NodeJS.ErrnoException).syscall ? fileError(part, error) : error;
  }
  return done;
}

/** A strong entity tag or a date: what If-Range takes. */
function validatorOf({ response: { headers } }: Answer): { validator?: string } {
  const tag = headers.get('etag');
  const validator = tag && !tag.startsWith('W/') ? tag : headers.get('last-modified');
  return validator ? { validator } : {};
}

const stateOf = (part: string): string => `${part}.json`;

const sizeOf = (path: string): Promise<number> => stat(path).then(({ size }) => size, () => 0);

/** SHA-256 of a file of any size. @throws InputError when it cannot be read */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    try {
      if (!(await file.stat()).isFile()) throw new InputError(`${path} is not a plain file: remove it`);
      for await (const piece of file.createReadStream({ highWaterMark: 1 << 20, autoClose: false })) hash.update(piece as Buffer);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw fileError(path, error);
  }
  return hash.digest('hex');
}

function lengthOf(text: string | null | undefined): number | undefined {
  const value = Number(text ?? NaN);
  return Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}
