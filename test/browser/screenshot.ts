/**
 * Makes the picture of the page in cli/README.md, from a run on the landscapes that the project drew:
 * `node dist/test/browser/screenshot.js [FILE]`. The run is in out/valley-as-peaks; an existing one is used again.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { scenePath } from '../../cli/demo/files.js';
import { packageRoot } from '../../cli/shared/files.js';
import { splice } from '../helpers/pictures.js';
import { openBrowser, serveRun } from './browser.js';

const [file = join(packageRoot, 'cli/demo/watch.png')] = process.argv.slice(2);
const OUT = 'out/valley-as-peaks';
const SETTINGS = ['--model', 'untrained', '--size', '160', '--vit-size', '96', '--steps', '120', '--save-every', '10'];

if (!existsSync(join(OUT, 'triptych.png'))) {
  console.log(`training ${OUT}: some ten minutes on two CPU cores`);
  const photos = ['--structure', scenePath('valley'), '--appearance', scenePath('peaks')];
  const { code, stderr } = await splice(['transfer', ...photos, '--out', OUT, ...SETTINGS]);
  if (code !== 0) throw new Error(stderr);
}
const browser = await openBrowser();
if (!browser) process.exit(1);
const run = await serveRun(['view', OUT]);
const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, colorScheme: 'dark' });
await page.goto(run.url);
await page.waitForFunction(() => {
  const images = [...document.images];
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
