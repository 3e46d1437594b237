/** The distribution's Chromium without a window, and runs for it to show. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { chromium, type Browser, type Page } from 'playwright-core';

const PLACES = [process.env['SPLICE_GPU_CHROMIUM'], '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
/**
 * No sandbox: tests run as root in containers. WebGPU is on Chromium's own software driver. The others prevent requests to other
 * servers.
 */
const ARGUMENTS = [
  '--headless', '--no-sandbox', '--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader',
  '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
];

/** The Vulkan driver that comes with Debian's Chromium; `VK_DRIVER_FILES` gives it to other programs, for the same bits. */
export const CHROMIUMS_DRIVER = '/usr/lib/chromium/vk_swiftshader_icd.json';

/** A canvas of WebGPU needs Chromium's own Vulkan driver for the whole page; without one, pages are painted without a driver. */
const PAINTING = ['--enable-features=Vulkan', '--use-vulkan=swiftshader', '--use-angle=swiftshader', '--ignore-gpu-blocklist'];

/**
 * Returns undefined, and prints a line, if there is no Chromium.
 * @param options `paints`: whether the page has a canvas of WebGPU, or gives it video frames
 */
export async function openBrowser({ paints = false } = {}): Promise<Browser | undefined> {
  const executablePath = PLACES.find((path) => path && existsSync(path));
  const args = [...ARGUMENTS, ...(paints ? PAINTING : ['--disable-gpu'])];
  if (executablePath) return chromium.launch({ executablePath, args });
  console.log('skipped: no Chromium for the tests of the page (apt-get install chromium, or SPLICE_GPU_CHROMIUM names one)');
  return undefined;
}

/** Forbidden actions of a page. */
export interface Trouble {
  /** Errors of its scripts, and refusals by the browser. */
  readonly errors: string[];
  /** Requests to other servers than the run. */
  readonly foreign: string[];
}

export function watchTrouble(page: Page, url: string): Trouble {
  const trouble: Trouble = { errors: [], foreign: [] };
  page.on('console', (message) => void (message.type() === 'error' && trouble.errors.push(message.text())));
  page.on('pageerror', (error) => trouble.errors.push(String(error)));
  page.on('request', (request) => {
    const { protocol, host } = new URL(request.url());
    if (protocol !== 'blob:' && host !== new URL(url).host) trouble.foreign.push(request.url());
  });
  return trouble;
}

export interface Serving {
  readonly url: string;
  readonly child: ChildProcess;
  /** Resolves with the exit code. */
  readonly ended: Promise<number | null>;
  /** Its output so far, both streams. */
  output(): string;
}

const MAIN = fileURLToPath(new URL('../../cli/bin.js', import.meta.url));

/** Starts `splice-gpu` and waits for the address that it prints. @throws Error with its output when it ends before */
export function serveRun(args: readonly string[]): Promise<Serving> {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  process.once('exit', () => child.kill('SIGKILL'));
  let text = '';
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  return new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (part: string) => {
        text += part;
        const url = /http:\/\/127\.0\.0\.1:\d+\/([\w-]+\/)?/.exec(text)?.[0];
        if (url) resolve({ url, child, ended, output: () => text });
      });
    }
    void ended.then((code) => reject(new Error(`it ended with ${code}:\n${text}`)));
  });
}
