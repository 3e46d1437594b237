/** The files of the page: a fixed list, read when the server starts. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { packageRoot } from '../shared/files.js';

export interface Asset {
  readonly type: string;
  readonly body: Uint8Array | string;
}

const library = createRequire(import.meta.url);

/** The script of a page, as `npm run build` bundles it. */
export const pageScript = (name: string): string => join(packageRoot, 'dist/pages', `${name}.js`);

/** The files that every page has, by name: looks and curves. */
export const commonFiles: ReadonlyMap<string, string> = new Map([
  ['page.css', join(packageRoot, 'cli/watch/page/page.css')],
  ['icon.svg', join(packageRoot, 'cli/watch/page/icon.svg')],
  ['uplot.js', library.resolve('uplot/dist/uPlot.iife.min.js')],
  ['uplot.css', library.resolve('uplot/dist/uPlot.min.css')],
]);

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8', css: 'text/css; charset=utf-8', js: 'text/javascript; charset=utf-8',
  json: 'application/json', svg: 'image/svg+xml', png: 'image/png',
};

/** A file of the package, to be sent as what its name says. */
export const readAsset = async (name: string, path: string): Promise<Asset> =>
  ({ type: TYPES[name.split('.').at(-1)!] ?? 'application/octet-stream', body: await readFile(path) });

/** Assets by the part of the address after the secret; '' is the page itself, which has `token` if commands are accepted. */
export async function loadAssets(token: string | undefined): Promise<ReadonlyMap<string, Asset>> {
  const files = [...commonFiles, ['watch.js', pageScript('watch')] as const];
  const assets = await Promise.all(files.map(async ([name, path]) => [name, await readAsset(name, path)] as const));
  const page = await readFile(join(packageRoot, 'cli/watch/page/index.html'), 'utf8');
  const meta = token ? `<meta name="splice-token" content="${token}">` : '';
  return new Map([['', { type: TYPES['html']!, body: page.replace('<!-- token -->', meta) }], ...assets]);
}
