/** The files of a run's folder, which a stranger may have made: nothing outside of it is opened, whatever its links say. */
import { realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { fileError, InputError } from '../shared/errors.js';

/** The path of a file in `folder`, which need not exist. @throws InputError for one that leads out of the folder */
export async function pathInside(folder: string, name: string): Promise<string> {
  const path = join(folder, name);
  const [home, target] = await Promise.all([folder, path].map((each) => realpath(each).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw fileError(each, error);
  })));
  if (home === undefined || target === undefined || target.startsWith(home.endsWith(sep) ? home : home + sep)) return path;
  throw new InputError(`${path} leads out of the run's folder, where view opens nothing: put a copy of the file in its place`);
}
