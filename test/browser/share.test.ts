/** A result to send, opened from a disk in Chromium: its sliders, and its generator against `apply`. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { scenePath } from '../../cli/demo/files.js';
import { readImage } from '../../cli/photos/photo.js';
import { redBlue, runCli, temporaryFolder } from '../helpers/pictures.js';
import { openBrowser } from './browser.js';

const browser = await openBrowser();
const folder = temporaryFolder();
const at = (name: string): string => join(folder, name);

if (browser) {
  test('share: the page opens from a disk, and paints another photo as apply does', async () => {
    const photos = ['--structure', scenePath('valley'), '--appearance', scenePath('peaks')];
    const tiny = ['--model', 'untrained', '--size', '48', '--vit-size', '32', '--warm-start', '4', '--steps', '8'];
    const run = await runCli(['transfer', ...photos, ...tiny, '--save-every', '4', '--detail', '0', '--out', at('run')]);
    assert.is(run.code, 0, run.stderr);
    const shared = await runCli(['share', at('run'), '--out', at('pair.html')]);
    assert.is(shared.code, 0, shared.stderr);
    // Of the training's size already, so that neither side resizes it.
    await redBlue(60, 48).toFile(at('other.png'));
    const other = ['--image', at('other.png'), '--detail', '0', '--out', at('out')];
    const applied = await runCli(['apply', '--generator', at('run'), ...other]);
    assert.is(applied.code, 0, applied.stderr);

    const page = await (await browser.newContext({ viewport: { width: 1280, height: 900 } })).newPage();
    const [errors, requests]: [string[], string[]] = [[], []];
    page.on('console', (message) => void (message.type() === 'error' && errors.push(message.text())));
    page.on('pageerror', (error) => errors.push(String(error)));
    page.on('request', (request) => void (/^(file|data|blob):/.test(request.url()) || requests.push(request.url())));
    await page.goto(pathToFileURL(at('pair.html')).href);
    assert.is(await page.textContent('#title'), 'valley as peaks');
    await page.waitForFunction(() => [...document.images].every((image) => image.complete && image.naturalWidth > 0));

    // The way there.
    assert.is(await page.textContent('#result-step'), 'after 8 steps');
    await page.focus('#previews');
    await page.keyboard.press('Home');
    assert.is(await page.textContent('#result-step'), 'after 4 steps');

    await page.setInputFiles('#file', at('other.png'));
    await page.waitForSelector('#painted', { state: 'visible', timeout: 180_000 });
    const found = await page.$eval('#painted', (canvas) => {
      const { width, height } = canvas as HTMLCanvasElement;
      const { data } = (canvas as HTMLCanvasElement).getContext('2d')!.getImageData(0, 0, width, height);
      return { width, height, data: [...data] };
    });
    const expected = await readImage(at('out/other.png'));
    assert.equal([found.width, found.height], [expected.width, expected.height]);
    const plane = found.width * found.height;
    const worst = Math.max(...Array.from({ length: 3 * plane }, (_, i) =>
      Math.abs(found.data[4 * (i % plane) + Math.floor(i / plane)]! - Math.round(255 * expected.data[i]!))));
    assert.ok(worst <= 2, `a pixel differs by ${worst} of 255`);
    assert.equal([errors, requests], [[], []]);
    assert.ok(await page.isEnabled('#save'));

    // In a narrow window nothing is out of sight.
    await page.setViewportSize({ width: 380, height: 800 });
    assert.is(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), 0);
    assert.ok(readFileSync(at('pair.html')).length < 6e6);
    await browser.close();
  });
}

test.run();
