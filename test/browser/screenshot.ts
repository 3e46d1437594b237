/**
 * Makes the README's picture of the page, from a run on the landscapes that the project drew:
 * `node dist/test/browser/screenshot.js [FILE] [LAST STEP]`, about ten minutes on two CPU cores.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { scenePath } from '../../cli/demo/files.js';
import { packageRoot } from '../../cli/files.js';
import { openBrowser, serveRun } from './browser.js';

const [file = join(packageRoot, 'cli/demo/watch.png'), lastStep = '150'] = process.argv.slice(2);
const OUT = 'out/valley-as-peaks';
const SETTINGS = ['--size', '128', '--vit-size', '96', '--warm-start', '40', '--steps', '200', '--save-every', '10'];

rmSync(OUT, { recursive: true, force: true });
const browser = await openBrowser();
if (!browser) process.exit(1);
const run = await serveRun(['transfer', '--structure', scenePath('valley'), '--appearance', scenePath('peaks'), '--out', OUT, ...SETTINGS, '--watch']);
const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, colorScheme: 'dark' });
page.setDefaultTimeout(3_600_000);
await page.goto(run.url);
await page.waitForFunction((least) => Number(document.querySelector('#legend .at')?.textContent?.replace('step ', '') ?? -1) >= least, Number(lastStep));
await page.waitForTimeout(3000); // the newest result is drawn
await sharp(await page.screenshot()).png({ compressionLevel: 9, palette: true, quality: 95, effort: 10 }).toFile(file);
run.child.kill('SIGINT');
await run.ended;
await browser.close();
console.log(file);
process.exit(0);
