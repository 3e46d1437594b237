/**
 * What a training in the studio's tab costs: the longest task of the page's own thread, and the memory of Chromium's processes
 * after the first steps and at the end. `node dist/test/browser/studioLoad.js [STEPS]` trains the example pair at 64 pixels.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { openBrowser, serveRun } from './browser.js';
import { chooseExample, longTasks, openStudio, status, watchTasks } from './studio.js';

const [steps = '200'] = process.argv.slice(2);
const WARM_START = 20;

const read = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // the process has ended
  }
};

/** In MB, by kind: the resident memory of Chromium's processes that train. */
function memory(): Readonly<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const kind = /--type=(renderer|gpu-process)/.exec(read(`/proc/${pid}/cmdline`))?.[1];
    const kilobytes = Number(/VmRSS:\s+(\d+)/.exec(read(`/proc/${pid}/status`))?.[1] ?? 0);
    if (kind) found[kind] = (found[kind] ?? 0) + Math.round(kilobytes / 1000);
  }
  return found;
}

const browser = await openBrowser();
if (!browser) process.exit(1);
const served = await serveRun(['studio', '--port', '0', '--models', 'untrained']);
const { page, trouble } = await openStudio(browser, served.url);
page.setDefaultTimeout(3_600_000);
await chooseExample(page, { size: 64, steps: Number(steps), 'warm-start': WARM_START, 'vit-size': 48 });
await watchTasks(page);
await page.click('#start');
const isBeyond = (first: number): boolean => Number.parseInt(document.getElementById('step')?.textContent ?? '') > first;
await page.waitForFunction(isBeyond, WARM_START + 5);
const before = memory();
const begin = performance.now();
await status(page, 'finished');
const seconds = Math.round((performance.now() - begin) / 1000);
console.log(JSON.stringify({ steps, seconds, longTasks: await longTasks(page), before, after: memory(), ...trouble }));
served.child.kill('SIGINT');
await browser.close();
process.exit(0);
