/** Reading of files that a user or another file names: bounded, and never a wait that a signal cannot end. */
import { constants, openSync, type Stats } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { Socket } from 'node:net';
import { InputError } from './errors.js';
import { latestInterrupt } from './interrupt.js';

/** More than any text that this program writes, or that describes something. */
export const MAX_TEXT = 256e6;

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

const tooLarge = (path: string, size: string, maxBytes: number): InputError =>
  new InputError(`${path} has ${size}: at most ${megabytes(maxBytes)} are read, use a smaller file`);

/** A pipe without a writer would keep a thread in `open`, and the process with it. */
const FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/** Opens for reading without waiting for anybody. What it is remains to be asked. */
export const openAtOnce = (path: string): Promise<FileHandle> => open(path, FLAGS);

/** What a path leads to, if that is no file. */
function kindOf(info: Stats): string | undefined {
  if (info.isFile()) return undefined;
  if (info.isDirectory()) throw Object.assign(new Error('a folder'), { code: 'EISDIR' });
  return info.isFIFO() ? 'pipe' : info.isSocket() ? 'socket' : 'device';
}

export interface Reading {
  readonly maxBytes: number;
  /** Pipes are read to their end, such as that of `<(command)`; otherwise plain files alone are. */
  readonly pipes?: boolean;
}

/**
 * The bytes of a file. It is asked what it is after it was opened, so nothing can take its place in between; its size may be a
 * lie, so no more than the bound and a byte are read. @throws InputError for what is no plain file or too large, the system's
 * errors otherwise, AbortError when a signal ends the wait for a pipe
 */
export async function readBounded(path: string, { maxBytes, pipes = false }: Reading): Promise<Buffer> {
  const file = await openAtOnce(path);
  try {
    const info = await file.stat();
    const kind = kindOf(info);
    if (kind === undefined) return await readPlain(path, file, info.size, maxBytes);
    if (kind !== 'pipe' || !pipes) throw new InputError(`${path} is a ${kind}: copy what it holds into a file and give that`);
  } finally {
    await file.close();
  }
  return readPipe(path, maxBytes);
}

/** A text, as `readBounded`. */
export const readText = async (path: string, maxBytes = MAX_TEXT): Promise<string> =>
  (await readBounded(path, { maxBytes })).toString('utf8');

/** Some files of the system have more than they say; they are read in steps of this size. */
const STEP = 1 << 16;

async function readPlain(path: string, file: FileHandle, size: number, maxBytes: number): Promise<Buffer> {
  if (size > maxBytes) throw tooLarge(path, megabytes(size), maxBytes);
  const parts: Buffer[] = [];
  for (let total = 0; ; ) {
    const wanted = Math.min(maxBytes + 1 - total, Math.max(size + 1 - total, STEP));
    const part = Buffer.allocUnsafe(wanted);
    const { bytesRead } = await file.read(part, 0, wanted, null);
    if (bytesRead === 0) return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
    total += bytesRead;
    if (total > maxBytes) throw tooLarge(path, 'more', maxBytes);
    parts.push(part.subarray(0, bytesRead));
  }
}

/** How long a pipe is waited for that nobody has opened for writing yet. */
const PATIENCE_MS = 10_000, PAUSE_MS = 50;

/** What pipes held: they can be read once, and a photo is first asked for its size. */
const piped = new Map<string, Buffer>();

async function readPipe(path: string, maxBytes: number): Promise<Buffer> {
  const known = piped.get(path);
  if (known) return known;
  const interrupt = latestInterrupt();
  for (const began = performance.now(); performance.now() - began < PATIENCE_MS; ) {
    const bytes = await drain(path, maxBytes, interrupt);
    if (bytes.length > 0) {
      piped.set(path, bytes);
      return bytes;
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    interrupt?.throwIfAborted();
  }
  throw new InputError(`${path} is a pipe that nobody writes to: start the program that does, or give a file`);
}

/** All that comes until the writers have left; nothing when there was none. */
function drain(path: string, maxBytes: number, interrupt: AbortSignal | undefined): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let total = 0;
    const fd = openSync(path, FLAGS);
    const pipe = new Socket({ fd, readable: true, writable: false });
    const onAbort = (): void => void pipe.destroy(interrupt!.reason as Error);
    interrupt?.addEventListener('abort', onAbort, { once: true });
    if (interrupt?.aborted) onAbort();
    pipe.on('data', (part: Buffer) => {
      parts.push(part);
      total += part.length;
      if (total > maxBytes) pipe.destroy(tooLarge(path, 'more', maxBytes));
    });
    pipe.on('error', reject);
    pipe.on('end', () => resolve(Buffer.concat(parts)));
    pipe.on('close', () => interrupt?.removeEventListener('abort', onAbort));
  });
}
