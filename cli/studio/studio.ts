/** The work of `splice-gpu studio`: a page that trains a pair in the browser, served here or written as files. */
import { copyFile } from 'node:fs/promises';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { fileError, UsageError } from '../shared/errors.js';
import { exists, prepareFolder, writeFileAtomic } from '../shared/files.js';
import { writeLine, type Io } from '../shared/progress.js';
import { readAsset } from '../watch/assets.js';
import { hostPage, isRead, refuse, send } from '../watch/host.js';
import { studioFiles, type StudioFile } from './files.js';

export interface StudioOptions {
  /** 0 for any free one. */
  readonly port: number;
  /** A folder for the files, instead of a server. */
  readonly export?: string;
  /** The folder of a run that is packed into one file, instead of a server. */
  readonly pack?: string;
  /** Models besides the one that ships. */
  readonly models: readonly string[];
  readonly json: boolean;
}

/** Serves until it is interrupted, its normal end, or exports; exit code 0. @throws InputError or UsageError with the remedy */
export async function studio(options: StudioOptions, io: Io): Promise<number> {
  if (options.pack !== undefined) return pack(options.pack, options, io);
  const files = await studioFiles(options.models, { signal: io.interrupt, output: io.stderr });
  return options.export === undefined ? serve(files, options, io) : exportTo(options.export, files, options, io);
}

async function pack(folder: string, { json }: StudioOptions, { stdout, stderr }: Io): Promise<number> {
  const { packFolder } = await import('../transfer/moved.js');
  const file = await packFolder(folder, (line) => writeLine(stderr, line));
  stdout.write(json ? `${JSON.stringify({ file })}\n` : `${file}\n`);
  return 0;
}

async function serve(files: readonly StudioFile[], { port, json }: StudioOptions, io: Io): Promise<number> {
  const byName = new Map(files.map((file) => [file.name, file]));
  const host = await hostPage({
    port, remedy: 'choose another --port', anyPort: '0',
    answer: async (route, request, response) => {
      if (!isRead(request, response)) return;
      const file = byName.get(route === '' ? 'index.html' : route);
      if (!file) return refuse(response, 404, 'nothing here');
      const asset = 'text' in file ? { type: 'application/json', body: file.text } : await readAsset(file.name, file.path);
      send(request, response, asset);
    },
  });
  io.stdout.write(json ? `${JSON.stringify({ url: host.url })}\n` : `${host.url}\n`);
  io.stderr.write('open this address in a browser; Ctrl-C ends it\n');
  if (!io.interrupt.aborted) await once(io.interrupt, 'abort');
  await host.close();
  return 0;
}

async function exportTo(folder: string, files: readonly StudioFile[], { json }: StudioOptions, io: Io): Promise<number> {
  const isOther = (await exists(join(folder, 'index.html'))) && !(await exists(join(folder, 'studio.js')));
  if (isOther) throw new UsageError(`${folder} holds another page: choose another folder`);
  await prepareFolder(folder);
  for (const file of files) {
    const target = join(folder, file.name);
    await ('text' in file ? writeFileAtomic(target, file.text) : copyFile(file.path, target)).catch((error: unknown) => {
      throw fileError(target, error);
    });
  }
  const names = files.map(({ name }) => name);
  io.stdout.write(json ? `${JSON.stringify({ folder: resolve(folder), files: names })}\n` : `${resolve(folder)}\n`);
  io.stderr.write(`${names.length} files: any web host serves them, by https\n`);
  return 0;
}
