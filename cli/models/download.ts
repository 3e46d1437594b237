/** Downloads a file so that a cut connection costs nothing that has arrived, and nothing wrong is ever taken for the file. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readFile, rm, stat, truncate } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { fileProblem, InputError } from '../shared/errors.js';
import { writeJson } from '../shared/files.js';
import { request, TransientError, type Answer } from './request.js';

export interface DownloadOptions {
  readonly signal: AbortSignal;
  readonly expected: { readonly bytes?: number; readonly sha256?: string };
  readonly onProgress: (done: number, total: number | undefined) => void;
  /** Longest wait for an answer. */
  readonly answerMs?: number;
  /** Longest silence within it. */
  readonly silenceMs?: number;
  /** Tries in a row that bring nothing. */
  readonly attempts?: number;
  /** Before the second try; doubled each time. */
  readonly pauseMs?: number;
}

/** What lies in `part` came from there; `validator` is the server's mark of that version of the file. */
interface PartState {
  readonly url: string;
  readonly validator?: string;
}

/** More than any model here; an endless answer must not fill the disk. */
const MOST_BYTES = 4e9;

/**
 * Brings `url` into the file `part`, going on where an earlier try stopped, and answers with its length and SHA-256. The part is kept for the next
 * try when the connection or the user ends it, and removed when it is not the file that was expected.
 * @throws InputError that names the address and the remedy; the signal's reason when aborted
 */
export async function download(url: string, part: string, options: DownloadOptions): Promise<{ bytes: number; sha256: string }> {
  const { signal, expected, attempts = 5, pauseMs = 500 } = options;
  const most = expected.bytes ?? MOST_BYTES;
  for (let failures = 0; ; ) {
    const before = await sizeOf(part);
    try {
      await fetchRest(url, part, most, options);
      break;
    } catch (error) {
      if (!(error instanceof TransientError)) throw error;
      failures = (await sizeOf(part)) > before ? 1 : failures + 1;
      if (failures >= attempts) throw new InputError(`${url} could not be fetched: ${error.message}; try again later (what has come is kept), or name a --mirror`, { cause: error });
      await wait(pauseMs * 2 ** (failures - 1), undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }
  const result = { bytes: await sizeOf(part), sha256: await hashFile(part) };
  const wrong = mismatch(result, expected);
  await rm(stateOf(part), { force: true });
  if (wrong) {
    await rm(part, { force: true });
    throw new InputError(`${url} is not the file that was expected: ${wrong}; it was removed: try again, or name a --mirror`);
  }
  return result;
}

function mismatch(found: { bytes: number; sha256: string }, { bytes, sha256 }: DownloadOptions['expected']): string | undefined {
  if (bytes !== undefined && found.bytes !== bytes) return `it has ${found.bytes} bytes instead of ${bytes}`;
  if (sha256 !== undefined && found.sha256 !== sha256) return `its SHA-256 is ${found.sha256} instead of ${sha256}`;
  return undefined;
}

/** One request for what is missing, appended to `part`. @throws TransientError when a further try may help */
async function fetchRest(url: string, part: string, most: number, { signal, answerMs = 15_000, silenceMs = 30_000, onProgress }: DownloadOptions): Promise<void> {
  const state = await readState(part);
  const have = state?.url === url && state.validator ? await sizeOf(part) : 0;
  // If-Range: a server whose file has changed since sends all of it.
  const headers: Record<string, string> = have > 0 ? { range: `bytes=${have}-`, 'if-range': state!.validator! } : {};
  const answer = await request(url, { headers, signal, answerMs, silenceMs }).catch((error: unknown) => {
    signal.throwIfAborted();
    throw error instanceof TransientError ? error : new InputError(`${url} could not be fetched: ${(error as Error).message}`, { cause: error });
  });
  try {
    const { begin, total } = await placeOf(answer, have, part, url);
    if (total !== undefined && total > most) throw new InputError(`${url} is not the file that was expected: it has ${total} bytes instead of ${most}; name a --mirror`);
    await writeJson(stateOf(part), { url, ...validatorOf(answer) } satisfies PartState);
    await append(answer, part, { begin, total, most, url, onProgress });
  } finally {
    await answer.close();
  }
}

/** Where the answer's body begins in the file, and the file's length if the server says. @throws when it is not the file */
async function placeOf({ response }: Answer, have: number, part: string, url: string): Promise<{ begin: number; total: number | undefined }> {
  const { status, statusText, headers } = response;
  if (status === 200) return { begin: 0, total: numberOf(headers.get('content-length')) };
  if (status === 206) {
    const [, from, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get('content-range') ?? '') ?? [];
    if (Number(from) === have) return { begin: have, total: total === '*' ? undefined : numberOf(total) };
  }
  if (status === 206 || status === 416) {
    await rm(part, { force: true });
    throw new TransientError('the server sent another part than was asked for');
  }
  if (status === 408 || status === 429 || status >= 500) throw new TransientError(`the server answers ${status} ${statusText}`);
  throw new InputError(`${url} could not be fetched: the server answers ${status} ${statusText}; name a --mirror, or get the file elsewhere and add it with: splice-gpu models add FILE --name NAME`);
}

interface Rest {
  readonly begin: number;
  readonly total: number | undefined;
  readonly most: number;
  readonly url: string;
  readonly onProgress: DownloadOptions['onProgress'];
}

async function append({ body }: Answer, part: string, { begin, total, most, url, onProgress }: Rest): Promise<void> {
  let done = begin;
  try {
    const file = await open(part, 'a');
    try {
      await truncate(part, begin);
      for await (const piece of body()) {
        done += piece.length;
        if (done > most) throw new InputError(`${url} is not the file that was expected: it has more than ${most} bytes; name a --mirror`);
        await file.writeFile(piece);
        onProgress(done, total);
      }
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall) throw new InputError(`${part} ${fileProblem(error)}`, { cause: error });
    throw error;
  }
  if (total !== undefined && done < total) throw new TransientError(`the connection was cut after ${done} of ${total} bytes`);
}

/** A strong entity tag, or the date: what If-Range takes. */
function validatorOf({ response: { headers } }: Answer): { validator?: string } {
  const tag = headers.get('etag');
  const validator = tag && !tag.startsWith('W/') ? tag : headers.get('last-modified');
  return validator ? { validator } : {};
}

const stateOf = (part: string): string => `${part}.json`;

async function readState(part: string): Promise<PartState | undefined> {
  try {
    return JSON.parse(await readFile(stateOf(part), 'utf8')) as PartState;
  } catch {
    return undefined; // none, or damaged: the download begins anew
  }
}

const sizeOf = (path: string): Promise<number> => stat(path).then(({ size }) => size, () => 0);

/** SHA-256 of a file of any size. @throws InputError when it cannot be read */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(piece as Buffer);
  } catch (error) {
    throw new InputError(`${path} ${fileProblem(error)}`, { cause: error });
  }
  return hash.digest('hex');
}

function numberOf(text: string | null | undefined): number | undefined {
  const value = Number(text ?? NaN);
  return Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}
