/**
 * Makes the picture of the studio in cli/README.md: the run of `demo` in out/demo, which it makes if there is none, opened in the
 * page: `node dist/test/browser/studioShot.js [FILE]`.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { packageRoot } from '../../cli/shared/files.js';
import { splice } from '../helpers/pictures.js';
import { openBrowser, serveRun } from './browser.js';

const [file = join(packageRoot, 'cli/demo/studio.png')] = process.argv.slice(2);
const OUT = 'out/demo';

async function run(...args: readonly string[]): Promise<void> {
  const { code, stderr } = await splice(args);
  if (code !== 0) throw new Error(stderr);
}

if (!existsSync(join(OUT, 'triptych.png'))) await run('demo');
await run('studio', '--pack', OUT);
const browser = await openBrowser();
if (!browser) process.exit(1);
const served = await serveRun(['studio', '--port', '0']);
const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, colorScheme: 'light' });
page.setDefaultTimeout(300_000);
await page.goto(served.url);
await page.waitForFunction(() => document.querySelectorAll('#model option').length > 1);
await page.setInputFiles('#run-file', `${OUT}.zip`);
await page.waitForFunction(() => document.getElementById('result-step')!.textContent!.endsWith('with detail'));
await page.fill('#split', '50');
await page.waitForTimeout(500); // until the curves are drawn
await sharp(await page.screenshot()).png({ palette: true, quality: 95, effort: 10, compressionLevel: 9 }).toFile(file);
console.log(file);
served.child.kill('SIGINT');
await browser.close();
process.exit(0);
