/** The places beside Node that run the tests of the engine and its models: a window and a worker of Chromium, and Deno. */
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Page } from 'playwright-core';
import { mesaSettings } from '../../cli/gpu/mesa.js';
import { openBrowser, watchTrouble } from '../browser/browser.js';
import { temporaryFile } from '../helpers/pictures.js';
import { sources } from '../helpers/sources.js';
import { bundleTests } from './bundle.js';

/** The counts of a file, with uvu's text on what failed. */
export interface Outcome {
  readonly errors: string;
  readonly passed: number;
  readonly total: number;
}

/** Runs files one after the other on one device: an `Outcome` for each. Undefined, with a line, if the place is absent. */
export type Place = (names: readonly string[]) => Promise<AsyncGenerator<unknown, void> | undefined>;

/** All that need nothing of Node: every op, and the models against PyTorch. */
export const portable: readonly string[] = [
  ...sources('test/ops').map((file) => file.slice('test/'.length, -'.test.ts'.length)),
  'model/vit.golden', 'model/generators.golden', 'model/skip6.golden',
];

/** Software drivers compile these for many seconds; `npm run everywhere` has them. */
const SLOW = /^model|attention|batchnorm|conv2d|layernorm|linear|matmul|nearestPatch|patchify|selfSimilarity/;
const quick = portable.filter((name) => !SLOW.test(name));

/** A sixth of these are among the tests: `npm run everywhere` has all. */
export const quickest = quick.filter((_, i) => i % 6 === 0);

/** A page with a script, at an address that has WebGPU; nothing is served. `close` throws if there was an error in it. */
export async function openPage(
  script: string, options: { readonly paints?: boolean } = {},
): Promise<{ readonly page: Page; close(): Promise<void> } | undefined> {
  const browser = await openBrowser(options);
  if (!browser) return undefined;
  const page = await browser.newPage();
  const { errors } = watchTrouble(page, 'http://localhost/');
  await page.route('http://localhost/**', (route) => route.fulfill(route.request().url().endsWith('.js')
    ? { contentType: 'text/javascript', body: script }
    : { contentType: 'text/html', body: '<link rel="icon" href="data:,">' }));
  await page.goto('http://localhost/');
  const close = async (): Promise<void> => {
    await browser.close();
    if (errors.length > 0) throw new Error(`errors in the page:\n${errors.join('\n')}`);
  };
  return { page, close };
}

/** `runOne` runs in the page. */
const inPage = (runOne: (name: string) => Promise<unknown>): Place => async (names) => {
  const opened = await openPage(await bundleTests(names));
  return opened && (async function* () {
    for (const name of names) yield await opened.page.evaluate(runOne, name);
    await opened.close();
  })();
};

/** The bundle's, in the page. */
declare const runFile: ((name: string) => Promise<unknown>) | undefined;

export const inWindow = inPage(async (name) => {
  if (typeof runFile === 'undefined') await import('/tests.js' as string);
  return runFile!(name);
});

export const inWorker = inPage((name) => new Promise((resolve, reject) => {
  const worker = ((globalThis as { worker?: Worker }).worker ??= new Worker('/tests.js', { type: 'module' }));
  worker.addEventListener('message', ({ data }) => resolve(data), { once: true });
  worker.addEventListener('error', ({ message }) => reject(new Error(message)));
  worker.postMessage(name);
}));

/** The script that starts Deno's program. Prints a line if it is not installed. */
export function denoScript(): string | undefined {
  try {
    return join(dirname(createRequire(import.meta.url).resolve('deno/package.json')), 'bin.cjs');
  } catch {
    console.log('skipped: Deno is not installed (npm ci brings it)');
    return undefined;
  }
}

export const inDeno: Place = async (names) => {
  const script = denoScript();
  return script === undefined ? undefined : linesOf(script, temporaryFile('tests.mjs', await bundleTests(names)), names);
};

/** What Deno's program writes, a line for each name. */
async function* linesOf(script: string, file: string, names: readonly string[]): AsyncGenerator<unknown, void> {
  const child = spawn(process.execPath, [script, 'run', '-A', '--no-check', '--quiet', file, ...names], {
    stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...mesaSettings(), NO_COLOR: '1' },
  });
  process.once('exit', () => child.kill('SIGKILL'));
  for await (const line of createInterface({ input: child.stdout })) if (line.startsWith('{')) yield JSON.parse(line);
}
