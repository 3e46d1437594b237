/** The studio in a real browser, on Chromium's own software driver: a pair trains in the tab. */
import { cpSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { scenePath } from '../../cli/demo/files.js';
import { sha256 } from '../../cli/shared/files.js';
import { openRun, type RunFile } from '../../model/training/runFile.js';
import { splice, temporaryFile, temporaryFolder } from '../helpers/pictures.js';
import { root } from '../helpers/sources.js';
import { CHROMIUMS_DRIVER, openBrowser, serveRun } from './browser.js';
import { chooseExample, longTasks, openStudio, status, watchTasks, type Viewport } from './studio.js';

const browser = await openBrowser();
const open = (...args: [url: string, viewport?: Viewport]) => openStudio(browser!, ...args);
/**
 * What the example pair trains on: with SPLICE_GPU_LONG, for minutes, until the total is a tenth of the first. Else as published,
 * with fewer kernels to compile; the other runs have the defaults.
 */
const { size, vitSize, warmStart, steps, falls, isPublished } = process.env['SPLICE_GPU_LONG']
  ? { size: 64, vitSize: 48, warmStart: 20, steps: 50, falls: 10, isPublished: false }
  : { size: 48, vitSize: 32, warmStart: 4, steps: 11, falls: 1, isPublished: true };

/** The run as the page saves it, in a folder of its own. */
async function saveRun(page: Page): Promise<{ readonly path: string; readonly run: RunFile }> {
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('#save-run')]);
  const path = join(temporaryFolder(), download.suggestedFilename());
  await download.saveAs(path);
  return { path, run: await opened(path) };
}

const opened = (path: string): Promise<RunFile> => openRun(readFileSync(path), async (parts) => sha256(Buffer.concat(parts)));

/** Of the newest picture: its size, and how many different colours it has. */
const picture = (page: Page) => page.$eval('#after', (canvas) => {
  const { width, height } = canvas as HTMLCanvasElement;
  const pixels = new Uint32Array((canvas as HTMLCanvasElement).getContext('2d')!.getImageData(0, 0, width, height).data.buffer);
  return { width, height, colours: new Set(pixels).size };
});

/** Waits until a run has made two more steps. */
async function goesOn(page: Page): Promise<void> {
  const before = Number.parseInt((await page.textContent('#step'))!);
  await page.waitForFunction((done) => Number.parseInt(document.getElementById('step')!.textContent!) > done + 1, before);
}

/** Brushes a line across a photo, at a share of its height. */
async function paint(page: Page, which: string, region: number, at: number): Promise<void> {
  const button = page.locator(`[data-region="${region}"]`);
  if (await button.getAttribute('aria-pressed') === 'false') await button.click();
  const { x, y, width, height } = (await page.locator(`#${which} canvas.labels`).boundingBox())!;
  await page.mouse.move(x + 0.2 * width, y + at * height);
  await page.mouse.down();
  await page.mouse.move(x + 0.8 * width, y + at * height);
  await page.mouse.up();
}

/** A photo of the example, so small that Chromium's driver is quick with it. */
const smallPhoto = async (name: 'valley' | 'peaks', width = 48, height = 40): Promise<string> =>
  temporaryFile(`${name}.png`, await sharp(scenePath(name)).resize(width, height).png().toBuffer());

/** Takes such photos instead of the example's. */
async function choosePhotos(page: Page, ...size: [width: number, height: number] | []): Promise<void> {
  await page.setInputFiles('#structure-file', await smallPhoto('valley', ...size));
  await page.setInputFiles('#appearance-file', await smallPhoto('peaks', ...size));
}

/** Of both photos, the shares of the regions 1 and 2. */
const shares = ({ regions }: RunFile): number[][] => [regions!.structure, ...regions!.appearances].map(({ data }) =>
  [1, 2].map((region) => data.reduce((sum, label) => sum + (label === region ? 1 : 0), 0) / data.length));

if (browser) {
  const served = await serveRun(['studio', '--port', '0', '--models', 'untrained']);

  test('studio: the example pair, made small, trains in the tab, with pictures, curves, pause and end', async () => {
    const { page, trouble } = await open(served.url);
    await chooseExample(page, { size, steps, 'warm-start': warmStart, 'vit-size': vitSize });
    await page.setChecked('#published', isPublished);
    await choosePhotos(page, 144, 96);
    await watchTasks(page);
    await page.click('#start');
    await page.waitForSelector('#legend button');
    await page.waitForFunction(() => !document.getElementById('after')!.hidden);

    await page.click('#pause');
    await status(page, 'paused');
    const paused = await page.textContent('#step');
    await page.waitForTimeout(500);
    assert.is(await page.textContent('#step'), paused);
    await page.click('text=Continue');

    await status(page, 'finished');
    assert.is(await page.textContent('#step'), `${warmStart + steps} / ${warmStart + steps}`);
    assert.is(await page.textContent('#result-step'), `after ${steps} steps, with detail`);
    const { colours, ...shown } = await picture(page);
    assert.equal(shown, { width: 144, height: 96 }); // the photo's own
    assert.ok(colours > 200, `${colours} colours`);
    const [download] = await Promise.all([page.waitForEvent('download'), page.click('#save-picture')]);
    assert.is(download.suggestedFilename(), 'result.png');
    const isPhoto = (): Promise<boolean> => page.evaluate(() => {
      const [before, after] = ['before', 'after'].map((id) => (document.getElementById(id) as HTMLCanvasElement).toDataURL());
      return before === after;
    });
    assert.not(await isPhoto());
    await page.fill('#strength', '0');
    assert.ok(await isPhoto(), 'at strength 0 the structure photo itself');
    await page.fill('#strength', '1');
    console.log(`long tasks of the page: ${await longTasks(page)} ms`);

    // The command line goes on with it.
    const { path, run: { log } } = await saveRun(page);
    const totals = log.map(({ total }) => total!);
    assert.equal(log.map(({ step }) => step), Array.from({ length: Math.ceil(steps / 10) }, (_, i) => 10 * i));
    assert.ok(totals.at(-1)! < totals[0]! / falls, `${totals}`);
    const { code, stderr } = await splice(['transfer', '--resume', path, '--steps', String(steps + 1)]);
    assert.is(code, 0, stderr);
    assert.match(stderr, new RegExp(`resuming after ${steps} steps`));

    // A tab that is opened again shows the run, and can go on.
    await page.reload();
    await status(page, 'stopped');
    assert.is(await page.textContent('#status'), `${warmStart + steps} of ${warmStart + steps} steps`);
    assert.is(await page.textContent('#start'), 'Go on');
    assert.is(await page.isChecked('#published'), isPublished);
    await page.waitForFunction(() => (document.getElementById('after') as HTMLCanvasElement).width === 144);
    assert.equal(trouble, { errors: [], foreign: [] });
    await page.close();
  });

  test('studio: what cannot be trained is refused with a remedy, at any width', async () => {
    const { page, trouble } = await open(served.url, { width: 400, height: 800 });
    await chooseExample(page, { size: 64 });
    await page.waitForSelector('#brushes:not([hidden])');
    const black = await page.evaluate(() => new Promise<string>((resolve) => {
      const canvas = Object.assign(document.createElement('canvas'), { width: 64, height: 64 });
      canvas.getContext('2d')!.fillRect(0, 0, 64, 64);
      resolve(canvas.toDataURL());
    }));
    const buffer = Buffer.from(black.split(',')[1]!, 'base64');
    await page.setInputFiles('#structure-file', { name: 'black.png', mimeType: 'image/png', buffer });
    await page.waitForSelector('#plan.refused');
    assert.match((await page.textContent('#plan'))!, /^the structure photo is a single colour all over: use another photo$/);
    assert.ok(await page.isDisabled('#start'));
    assert.ok((await page.locator('#result').boundingBox())!.height > 100);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.is(overflow, 0);
    assert.equal(trouble, { errors: [], foreign: [] });
    await page.close();
  });

  test('studio: size and steps are measured to end in time; regions are brushed while the run trains', async () => {
    const { page, trouble } = await open(served.url);
    await chooseExample(page, { size: 48, 'vit-size': 32, 'warm-start': 0 });
    await choosePhotos(page);
    await page.selectOption('#size', 'fit');
    assert.ok(await page.isHidden('#steps') && await page.isDisabled('#measure'));
    await page.fill('#minutes', '3');
    await page.click('h1');
    await page.waitForFunction(() => document.getElementById('plan')?.textContent?.includes('will be measured to end in'));
    await page.click('#start');
    await page.waitForFunction(() => Number.parseInt(document.getElementById('step')!.textContent!) > 0);
    assert.is(await page.inputValue('#size'), '40');
    const steps = Number(await page.inputValue('#steps'));
    assert.ok(steps >= 50 && steps < 10_000 && steps % 50 === 0, `${steps} steps`);
    const said = `Measured: 40 pixels, a ViT's input of 32 and ${steps} steps end in time on this device.`;
    assert.is(await page.textContent('#banner'), said);
    assert.match((await page.textContent('#step'))!, new RegExp(` / ${steps}$`));

    // Brushed while it trains: the run begins again with regions, where it is.
    await paint(page, 'structure', 1, 0.3);
    await paint(page, 'appearance', 1, 0.3);
    await goesOn(page);
    const first = await saveRun(page);
    const [[sky, none], [look]] = shares(first.run) as [[number, number], [number, number]];
    assert.ok(sky > 0.02 && sky < 0.3 && look > 0.02 && none === 0, `${sky} ${look} ${none}`);

    // In place, without a new start.
    await paint(page, 'structure', 2, 0.8);
    await paint(page, 'appearance', 2, 0.8);
    await goesOn(page);
    const second = await saveRun(page);
    assert.ok(shares(second.run).every(([, ground]) => ground! > 0.02), `${shares(second.run)}`);
    await page.click('#stop');
    await page.click('#stop-dialog [value=stop]');
    await status(page, 'stopped');
    const refused = await splice(['transfer', '--resume', second.path]);
    assert.is(refused.code, 1);
    assert.match(refused.stderr, /brushed regions, which only the studio can go on with: open it there$/m);

    await page.reload();
    await status(page, 'stopped');
    await page.waitForFunction(() => !document.querySelector<HTMLElement>('#structure canvas.labels')!.hidden);
    assert.equal(trouble, { errors: [], foreign: [] });
    await page.close();
  });

  test('studio: a run of Node that trains on in the page, then in Node again, has the bytes of one that stayed', async () => {
    if (!existsSync(CHROMIUMS_DRIVER)) return void console.log(`skipped: no ${CHROMIUMS_DRIVER}, and drivers differ in digits`);
    const folder = temporaryFolder();
    const [stays, moves] = [join(folder, 'stays'), join(folder, 'moves')];
    const done = async (...args: readonly string[]) => {
      const { code, stderr } = await splice(args, { VK_DRIVER_FILES: CHROMIUMS_DRIVER });
      assert.is(code, 0, stderr);
    };
    const photos = ['--structure', await smallPhoto('valley'), '--appearance', await smallPhoto('peaks')];
    const tiny = ['--size', '40', '--vit-size', '32', '--warm-start', '1', '--detail', '0', '--steps', '2'];
    await done('transfer', ...photos, '--out', stays, '--model', 'untrained', ...tiny);
    cpSync(stays, moves, { recursive: true });
    await done('studio', '--pack', moves);
    await done('transfer', '--resume', stays, '--steps', '4');
    await done('studio', '--pack', stays);

    const { page, trouble } = await open(served.url);
    await page.waitForFunction(() => document.querySelectorAll('#model option').length > 1);
    await page.setInputFiles('#run-file', `${moves}.zip`);
    await page.waitForFunction(() => !document.getElementById('after')!.hidden);
    assert.equal([await page.textContent('#status'), await page.textContent('#start')], ['3 of 3 steps', 'Go on']);
    await page.click('summary');
    await page.fill('#steps', '4');
    await page.click('#start');
    await page.waitForFunction(() => document.getElementById('step')?.textContent === '5 / 5');
    await status(page, 'finished');
    const { path, run } = await saveRun(page);
    assert.equal([run.pixels?.structure.width, run.config['status']], [48, 'interrupted']);
    assert.equal(trouble, { errors: [], foreign: [] });
    await page.close();

    // What further steps depend on, and what this one makes.
    const stayed = await opened(`${stays}.zip`);
    assert.equal(run.checkpoint!.state, stayed.checkpoint!.state);
    await done('transfer', '--resume', path);
    for (const name of ['result.png', 'generator.safetensors', 'log.jsonl']) {
      assert.ok(readFileSync(join(path.replace('.zip', ''), name)).equals(readFileSync(join(stays, name))), name);
    }
  });

  test('studio: a model file of the user is read, and a wrong one refused', async () => {
    const { page, trouble } = await open(served.url);
    await chooseExample(page, { size: 48 });
    const refusal = () => page.waitForSelector('#plan.refused').then((plan) => plan.textContent());
    await page.selectOption('#model', '');
    assert.ok(await page.isDisabled('#start'), 'no file is chosen yet');
    const weights = (name: string): string => join(root, 'model/weights', name);
    await page.setInputFiles('#model-file', [weights('untrained.json')]);
    assert.ok(await page.isDisabled('#start'));
    const nonsense = { name: 'x.safetensors', mimeType: '', buffer: Buffer.from('nonsense, and more of it') };
    await page.setInputFiles('#model-file', [nonsense]);
    assert.match((await refusal())!, /;|:/);
    await page.setInputFiles('#model-file', [weights('untrained.safetensors'), weights('untrained.json')]);
    await page.waitForFunction(() => document.getElementById('plan')?.textContent?.includes('memory:'));
    assert.not(await page.isDisabled('#start'));
    assert.equal(trouble, { errors: [], foreign: [] });
    await page.close();
  });

  test('studio: every control has a name, and without WebGPU there is one sentence', async () => {
    const { page } = await open(served.url);
    const nameless = await page.$$eval('input, select, button, canvas', (controls) => controls.filter((control) => {
      const { labels, textContent } = control as HTMLButtonElement;
      const isHidden = control.matches('#run-file, [aria-hidden=true]');
      return !isHidden && !labels?.length && !textContent?.trim() && !control.getAttribute('aria-label');
    }).map(({ id }) => id));
    assert.equal(nameless, []);
    await page.addInitScript(() => void Reflect.deleteProperty(Navigator.prototype, 'gpu'));
    await page.reload();
    await status(page, 'failed');
    const sentence = /^This browser offers no WebGPU here, and without it nothing can be trained: [^.]*\.$/;
    assert.match((await page.textContent('#banner'))!, sentence);
    assert.ok(await page.isDisabled('#start') && await page.isDisabled('#structure-file'));
    await page.close();
  });

  test.after(async () => {
    served.child.kill('SIGINT');
    await browser.close();
  });
}

test.run();
