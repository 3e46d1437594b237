/** The files of the page: a fixed list, read when the server starts. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { packageRoot } from '../shared/files.js';

export interface Asset {
  readonly type: string;
  readonly body: Uint8Array | string;
}

const HTML = 'text/html; charset=utf-8';
const CSS = 'text/css; charset=utf-8';
const SCRIPT = 'text/javascript; charset=utf-8';

const PAGE = ['main', 'chart', 'commands', 'dom', 'measures', 'pictures', 'result', 'smooth', 'stream', 'texts', 'thin', 'view'];
/** The page's modules, by their path in dist/cli/watch. */
const MODULES = ['snapshot.js', ...PAGE.map((name) => `page/${name}.js`)];

const library = createRequire(import.meta.url);

/** Assets by the part of the address after the secret; '' is the page itself, which has `token` if commands are accepted. */
export async function loadAssets(token: string | undefined): Promise<ReadonlyMap<string, Asset>> {
  const asset = async (type: string, path: string): Promise<Asset> => ({ type, body: await readFile(path) });
  const own = (name: string): string => join(packageRoot, 'cli/watch/page', name);
  const modules = MODULES.map(async (name) => [name, await asset(SCRIPT, join(packageRoot, 'dist/cli/watch', name))] as const);
  const page = await readFile(own('index.html'), 'utf8');
  const meta = token ? `<meta name="splice-token" content="${token}">` : '';
  return new Map<string, Asset>([
    ['', { type: HTML, body: page.replace('<!-- token -->', meta) }],
    ['page.css', await asset(CSS, own('page.css'))],
    ['icon.svg', await asset('image/svg+xml', own('icon.svg'))],
    ['uplot.js', await asset(SCRIPT, library.resolve('uplot/dist/uPlot.iife.min.js'))],
    ['uplot.css', await asset(CSS, library.resolve('uplot/dist/uPlot.min.css'))],
    ...(await Promise.all(modules)),
  ]);
}
