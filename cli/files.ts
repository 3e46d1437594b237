/** Files and the output folder: nothing is ever left half-written. */
import { createHash } from 'node:crypto';
import { mkdir, open, readFile, rename, rm, rmdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InputError, fileProblem } from './errors.js';

/** Folder of the package itself (this file runs from dist/cli). */
export const packageRoot = fileURLToPath(new URL('../../', import.meta.url));

/** @throws InputError naming the file, when it cannot be read, is empty or has more than `maxBytes` */
export async function readInput(path: string, maxBytes: number): Promise<Buffer> {
  try {
    const { size } = await stat(path);
    if (size > maxBytes) throw new InputError(`${path} has ${megabytes(size)}: at most ${megabytes(maxBytes)} are read, use a smaller file`);
    const bytes = await readFile(path);
    if (bytes.length === 0) throw new InputError(`${path} is empty (0 bytes): copy or export it again`);
    return bytes;
  } catch (error) {
    throw error instanceof InputError ? error : new InputError(`${path} ${fileProblem(error)}`, { cause: error });
  }
}

/** Writes beside the target and renames, so that readers see the old file or the whole new one. */
export async function writeFileAtomic(path: string, data: Uint8Array | string): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
  try {
    const file = await open(temporary, 'w');
    try {
      await file.writeFile(data);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw new InputError(`${path} ${fileProblem(error)}`, { cause: error });
  }
}

export const writeJson = (path: string, value: unknown): Promise<void> => writeFileAtomic(path, JSON.stringify(value, null, 2) + '\n');

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Makes `dir` and tries to write there. The returned function takes back the folders it made, as long as they are empty. */
export async function prepareFolder(dir: string): Promise<() => Promise<void>> {
  const target = resolve(dir);
  let first: string | undefined;
  try {
    first = await mkdir(target, { recursive: true });
    const probe = join(target, `.probe.${process.pid}.tmp`);
    await (await open(probe, 'w')).close();
    await rm(probe);
  } catch (error) {
    await removeEmpty(target, first);
    // mkdir says EEXIST when the last part of the path is a file.
    const isFile = (error as NodeJS.ErrnoException).code === 'EEXIST';
    throw new InputError(`output folder ${dir} ${isFile ? 'is a file: choose another folder' : fileProblem(error)}`, { cause: error });
  }
  return () => removeEmpty(target, first);
}

/** Removes `dir` and its parents up to `first`, the topmost that was made, and stops at the first that is in use. */
async function removeEmpty(dir: string, first: string | undefined): Promise<void> {
  if (first === undefined) return;
  for (let folder = dir; folder.startsWith(first); folder = dirname(folder)) {
    try {
      await rmdir(folder);
    } catch {
      return;
    }
  }
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
