/** The files of the studio: the same for its server and for a folder that any web host serves. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { scenePath } from '../demo/files.js';
import { DEFAULT_MODEL, shipped } from '../models/known.js';
import { loadVit, type Fetching } from '../models/load.js';
import { readSidecar } from '../models/sidecar.js';
import { packageRoot } from '../shared/files.js';
import { commonFiles, pageScript } from '../watch/assets.js';
import type { OfferedModel } from './page/messages.js';

/** A file by its name in the folder: on disk, or made here. */
export type StudioFile = { readonly name: string } & ({ readonly path: string } | { readonly text: string });

const own = (name: string): string => join(packageRoot, 'cli/studio/page', name);

/** @param models names besides the one that ships, fetched as by every command @throws as `loadVit` */
export async function studioFiles(models: readonly string[], fetching: Fetching): Promise<readonly StudioFile[]> {
  const offered = await Promise.all([...new Set([DEFAULT_MODEL, ...models])].map((name) => offer(name, fetching)));
  const text = `${JSON.stringify(offered.map(({ model }) => model), null, 2)}\n`;
  return [
    { name: 'index.html', path: own('index.html') },
    { name: 'studio.css', path: own('studio.css') },
    { name: 'studio.js', path: pageScript('studio') },
    { name: 'worker.js', path: pageScript('worker') },
    ...[...commonFiles].map(([name, path]) => ({ name, path })),
    { name: 'valley.png', path: scenePath('valley') },
    { name: 'peaks.png', path: scenePath('peaks') },
    ...offered.map(({ model, path }) => ({ name: model.file, path })),
    { name: 'models.json', text },
  ];
}

async function offer(name: string, fetching: Fetching): Promise<{ readonly model: OfferedModel; readonly path: string }> {
  const { path, sha256, note } = await loadVit(name, {}, fetching);
  const { size: bytes } = await stat(path);
  const file = `${shipped.some((model) => model.name === name) ? name : sha256.slice(0, 12)}.${path.split('.').at(-1)}`;
  return { path, model: { name, file, sha256, bytes, settings: await readSidecar(path), ...(note && { note }) } };
}
