/** The page's own files: a fixed list, read when the server starts. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { packageRoot } from '../shared/files.js';
import { icon, pageHtml } from './html.js';
import { style } from './style.js';

export interface Asset {
  readonly type: string;
  readonly body: Uint8Array | string;
}

const HTML = 'text/html; charset=utf-8';
const CSS = 'text/css; charset=utf-8';
const SCRIPT = 'text/javascript; charset=utf-8';

/** The page's modules, by their place in dist/cli/watch. */
const MODULES = ['snapshot.js', 'page/main.js', 'page/chart.js', 'page/commands.js', 'page/dom.js', 'page/pictures.js', 'page/smooth.js', 'page/stream.js', 'page/texts.js', 'page/view.js'];

const library = createRequire(import.meta.url);

/** Assets by the part of the address behind the secret; '' is the page itself, which carries `token` if commands are taken. */
export async function loadAssets(token: string | undefined): Promise<ReadonlyMap<string, Asset>> {
  const script = async (path: string): Promise<Asset> => ({ type: SCRIPT, body: await readFile(path) });
  const modules = MODULES.map(async (name) => [name, await script(join(packageRoot, 'dist/cli/watch', name))] as const);
  return new Map<string, Asset>([
    ['', { type: HTML, body: pageHtml(token) }],
    ['page.css', { type: CSS, body: style }],
    ['icon.svg', { type: 'image/svg+xml', body: icon }],
    ['uplot.js', await script(library.resolve('uplot/dist/uPlot.iife.min.js'))],
    ['uplot.css', { type: CSS, body: await readFile(library.resolve('uplot/dist/uPlot.min.css')) }],
    ...(await Promise.all(modules)),
  ]);
}
