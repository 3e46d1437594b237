/**
 * Makes the picture of the page in cli/README.md, from the run of `demo` in out/demo, which it makes if there is none:
 * `node dist/test/browser/screenshot.js [FILE]`.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { packageRoot } from '../../cli/shared/files.js';
import { splice } from '../helpers/pictures.js';
import { openBrowser, serveRun } from './browser.js';

const [file = join(packageRoot, 'cli/demo/watch.png')] = process.argv.slice(2);
const OUT = 'out/demo';

if (!existsSync(join(OUT, 'triptych.png'))) {
  const { code, stderr } = await splice(['demo']);
  if (code !== 0) throw new Error(stderr);
}
const browser = await openBrowser();
if (!browser) process.exit(1);
const run = await serveRun(['view', OUT]);
const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, colorScheme: 'dark' });
await page.goto(run.url);
await page.waitForFunction(() => {
  const images = [...document.images].filter(({ hidden }) => !hidden);
  return images.length >= 3 && images.every((image) => image.complete && image.naturalWidth > 0);
});
await page.waitForSelector('#chart canvas');
await page.waitForTimeout(500); // until the curves are drawn
await sharp(await page.screenshot()).png({ palette: true, quality: 95, effort: 10, compressionLevel: 9 }).toFile(file);
console.log(file);
run.child.kill('SIGINT');
await run.ended;
await browser.close();
process.exit(0);
