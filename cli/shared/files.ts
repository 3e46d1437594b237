/** Files and output folders: nothing is ever left half-written. */
import { createHash } from 'node:crypto';
import { access, mkdir, open, rename, rm, rmdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fileError, fileProblem, InputError, isAbort } from './errors.js';
import { readBounded, readText } from './read.js';

/** Folder of the package itself (this file runs from dist/cli/shared). */
export const packageRoot = fileURLToPath(new URL('../../../', import.meta.url));

export const exists = (path: string): Promise<boolean> => access(path).then(() => true, () => false);
export const isFolder = (path: string): Promise<boolean> => stat(path).then((found) => found.isDirectory(), () => false);

/** @throws InputError naming the file, when it cannot be read, is empty or has more than `maxBytes`; as `readBounded` */
export async function readInput(path: string, maxBytes: number, { pipes = false } = {}): Promise<Buffer> {
  try {
    const bytes = await readBounded(path, { maxBytes, pipes });
    if (bytes.length === 0) throw new InputError(`${path} is empty (0 bytes): copy or export it again`);
    return bytes;
  } catch (error) {
    throw isAbort(error) ? error : fileError(path, error);
  }
}

/** The object in a JSON text; undefined when there is none, or the text is damaged. */
export function parseJson(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** The object in a JSON file; undefined when there is none, or the file is damaged. */
export const readJson = async (path: string): Promise<Readonly<Record<string, unknown>> | undefined> =>
  parseJson(await readText(path).catch(() => ''));

/** Writes a file in the target's folder and renames it, so that readers see the old file or the whole new one. */
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
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw fileError(path, error);
  }
}

/** Whether a file has the name of one that `writeFileAtomic` or `prepareFolder` of any process did not finish. */
export const isTemporary = (name: string): boolean => /^\..+\.\d+\.tmp$/.test(name);

/** Makes the names in a folder survive a loss of power, on systems that can. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r').catch(() => undefined); // Windows cannot open folders
  await folder?.sync().catch(() => undefined);
  await folder?.close();
}

export const writeJson = (path: string, value: unknown): Promise<void> =>
  writeFileAtomic(path, `${JSON.stringify(value, null, 2)}\n`);

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Makes `dir` and tries to write there. The returned function removes the folders that were made, unless they are in use. */
export async function prepareFolder(dir: string): Promise<() => Promise<void>> {
  const target = resolve(dir);
  const made: string[] = [];
  try {
    // Not mkdir's `recursive`: if the system reports ENOENT below a folder that exists, as /proc does, Node tries forever.
    for (const folder of await missingFolders(target)) {
      await mkdir(folder);
      made.unshift(folder);
      await syncFolder(dirname(folder));
    }
    const probe = join(target, `.probe.${process.pid}.tmp`);
    await (await open(probe, 'w')).close();
    await rm(probe);
  } catch (error) {
    await removeEmpty(made);
    throw new InputError(`output folder ${dir} ${fileProblem(error)}`, { cause: error });
  }
  return () => removeEmpty(made);
}

/** The folders that have to be made for `target`, outermost first. @throws ENOTDIR when it, or a part of its path, is a file */
async function missingFolders(target: string): Promise<string[]> {
  const missing: string[] = [];
  for (let folder = target; ; folder = dirname(folder)) {
    try {
      if (!(await stat(folder)).isDirectory()) throw Object.assign(new Error(`${folder} is a file`), { code: 'ENOTDIR' });
      return missing;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      missing.unshift(folder);
    }
  }
}

/** Removes `folders`, innermost first. A folder in use stays, and so do those around it. */
async function removeEmpty(folders: readonly string[]): Promise<void> {
  for (const folder of folders) await rmdir(folder).catch(() => undefined);
}
