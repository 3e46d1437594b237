/** The page of a real run in a real browser: small pictures, an untrained ViT. */
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { scenePath } from '../../cli/demo/files.js';
import { readImage } from '../../cli/photos/photo.js';
import type { TransferOptions } from '../../cli/transfer/options.js';
import { transfer } from '../../cli/transfer/transfer.js';
import { fakeParts, shortRun } from '../helpers/fakeRun.js';
import { redBlue, temporaryFolder } from '../helpers/pictures.js';
import { files } from '../helpers/runs.js';
import { openBrowser, serveRun, watchTrouble } from './browser.js';

const browser = await openBrowser();
const out = join(temporaryFolder(), 'run');
/** A slow machine under load compiles kernels for a while. */
const PATIENCE = { timeout: 180_000 };

const PHOTOS = ['--structure', scenePath('valley'), '--appearance', scenePath('peaks')];
const TINY = ['--model', 'untrained', '--size', '48', '--vit-size', '32', '--warm-start', '2', '--steps', '100000'];

async function open(url: string, viewport = { width: 1280, height: 800 }): Promise<Page> {
  const page = await (await browser!.newContext({ viewport })).newPage();
  page.setDefaultTimeout(PATIENCE.timeout);
  await page.goto('about:blank');
  page.context().setDefaultNavigationTimeout(PATIENCE.timeout);
  watched.set(page, watchTrouble(page, url));
  await page.goto(url);
  return page;
}
const watched = new Map<Page, ReturnType<typeof watchTrouble>>();

const status = (page: Page, text: string) =>
  page.waitForFunction((wanted) => document.getElementById('status')?.textContent === wanted, text);

/** Width and height of the picture that is shown as the result, once one is. */
async function resultSize(page: Page): Promise<[number, number]> {
  await page.waitForFunction(() => (document.getElementById('result-image') as HTMLImageElement).naturalWidth > 0);
  return page.$eval('#result-image', (image) => {
    const { naturalWidth, naturalHeight } = image as HTMLImageElement;
    return [naturalWidth, naturalHeight];
  });
}

/** The last step of the curves. */
const lastStep = (page: Page): Promise<number> => page.$eval('#legend .at', (at) => Number(at.textContent!.replace('step ', '')));

const curveReaches = (page: Page, step: number) =>
  page.waitForFunction((least) => {
    const text = document.querySelector('#legend .at')?.textContent?.replace('step ', '');
    return Number(text ?? -1) >= least;
  }, step);

/** How many pixels of the curves' canvas are painted. */
const painted = (page: Page): Promise<number> =>
  page.$eval('#chart canvas', (canvas) => {
    const { width, height } = canvas as HTMLCanvasElement;
    const { data } = (canvas as HTMLCanvasElement).getContext('2d')!.getImageData(0, 0, width, height);
    return data.reduce((count, value, i) => count + (i % 4 === 3 && value > 0 ? 1 : 0), 0);
  });

/** How many saves each curve of the pictures' figures shows. */
const measured = (page: Page): Promise<number[]> =>
  page.$$eval('#measures polyline', (lines) => lines.map((line) => line.getAttribute('points')!.split(' ').length));

const hasNoTrouble = (page: Page) => assert.equal(watched.get(page), { errors: [], foreign: [] });

/** Content outside the window is invisible on a narrow screen. */
const overflow = (page: Page): Promise<[number, number]> =>
  page.evaluate(() => [document.documentElement.scrollWidth - innerWidth, document.documentElement.scrollHeight - innerHeight]);

/** Pauses the run, saves during the pause, and continues. */
async function pauseAndSave(page: Page): Promise<void> {
  await page.click('#pause');
  await status(page, 'paused');
  await page.waitForFunction(() => document.getElementById('left')?.textContent === '–');
  const savedAt = () => statSync(join(out, 'result.png')).mtimeMs;
  const before = savedAt();
  await page.click('#save');
  while (savedAt() === before) await page.waitForTimeout(20);
  const newest = Math.max(...readdirSync(join(out, 'previews')).map((name) => Number.parseInt(name, 10)));
  const step = `${newest + 2} / 100002`; // two steps of warm start
  await page.waitForFunction((text) => document.getElementById('step')?.textContent === text, step);
  await page.click('text=Continue');
  await status(page, 'running');
  await page.waitForFunction((old) => document.getElementById('step')?.textContent !== old, step);
}

/** Holds the preview after 4 steps beside the next one, from which a branch can begin; and both still fit. */
async function compareSteps(page: Page): Promise<void> {
  assert.not(await page.isVisible('#branch'), 'the checkpoint after 4 steps is not kept');
  await page.click('#hold');
  await page.focus('#previews');
  await page.keyboard.press('ArrowRight');
  await page.waitForFunction(() => document.getElementById('result-image')?.getAttribute('alt') === 'Preview after 8 steps');
  await page.waitForFunction(() => (document.getElementById('held-image') as HTMLImageElement).naturalWidth === 72);
  const steps = await page.$$eval('.side-by-side figcaption span:last-child', (spans) => spans.map((span) => span.textContent));
  assert.equal(steps, ['after 4 steps', 'after 8 steps']);
  assert.is(await page.textContent('#branch-command'), `splice-gpu transfer --from ${out}@8 --set NAME=VALUE --out DIR`);
  const [held, result] = await page.$$eval('.side-by-side .frame', (frames) =>
    frames.map((frame) => frame.getBoundingClientRect()));
  assert.ok(held!.right <= result!.left && Math.abs(held!.width - result!.width) < 2, 'side by side, of one size');
  assert.equal(await overflow(page), [0, 0]);
  await page.click('#hold');
  assert.not(await page.isVisible('#held'));
}

/** Draws a stroke over the middle of a photo. */
async function stroke(page: Page, which: 'structure' | 'appearance'): Promise<void> {
  const { x, y, width, height } = (await (await page.$(`canvas.labels[data-of=${which}]`))!.boundingBox())!;
  await page.mouse.move(x + width / 4, y + height / 2);
  await page.mouse.down();
  await page.mouse.move(x + (3 * width) / 4, y + height / 2);
  await page.mouse.up();
}

/** How many pixels of a photo are brushed. */
const brushedPixels = (page: Page, which: string): Promise<number> =>
  page.$eval(`canvas.labels[data-of=${which}]`, (canvas) => {
    const { width, height } = canvas as HTMLCanvasElement;
    if (width === 0) return 0;
    const { data } = (canvas as HTMLCanvasElement).getContext('2d')!.getImageData(0, 0, width, height);
    return data.reduce((count, value, i) => count + (i % 4 === 3 && value > 0 ? 1 : 0), 0);
  });

/** Waits for the page's answer to what is brushed. */
const brushNote = (page: Page, start: string) =>
  page.waitForFunction((text) => document.getElementById('brush-note')!.textContent!.startsWith(text), start);

/** Brushes a region in both photos: the run goes on with it. A second stroke, its undo and a reload keep it. */
async function brushRegion(page: Page): Promise<void> {
  const config = () => JSON.parse(readFileSync(join(out, 'config.json'), 'utf8'));
  await page.fill('#brush-size', '40');
  await page.click('[data-region="1"]');
  await stroke(page, 'structure');
  await brushNote(page, 'Brush red in the appearance photo too');
  await stroke(page, 'appearance');
  await brushNote(page, 'Taken from the next step on');
  while (config().brushed === undefined) await page.waitForTimeout(20);
  const { brushed: [{ step }], structureRegions, page: { facts } } = config();
  assert.equal([structureRegions.colours, facts.find(([name]: [string]) => name === 'Regions')], [['red'], ['Regions', '1']]);
  await page.waitForFunction((least) => Number.parseInt(document.getElementById('step')!.textContent!, 10) > least, step + 4);
  await status(page, 'running');
  assert.equal(config().resumed.map(({ reason }: { reason: string }) => reason), ['regions brushed']);
  assert.equal(await overflow(page), [0, 0]);

  const before = await brushedPixels(page, 'structure');
  await page.fill('#brush-size', '60');
  await stroke(page, 'structure');
  const more = await brushedPixels(page, 'structure');
  assert.ok(more > before && before > 1000, `${before}, ${more} pixels`);
  while (config().brushed.length < 2) await page.waitForTimeout(20);
  await page.click('#undo-brush');
  assert.is(await brushedPixels(page, 'structure'), before);
  while (config().brushed.length < 3) await page.waitForTimeout(20);
  const hashes = config().brushed.map((each: { structureRegions: string }) => each.structureRegions);
  assert.ok(hashes[0] === hashes[2] && hashes[0] !== hashes[1]);
  assert.is(config().resumed.length, 1, 'another shape is no other program');
  await page.reload();
  await page.waitForFunction(() => !document.getElementById('brushes')!.hidden);
  while ((await brushedPixels(page, 'structure')) !== before) await page.waitForTimeout(20);
}

/** Moves the slider through the previews by keyboard, and back to the newest result. */
async function browsePreviews(page: Page): Promise<void> {
  await page.focus('#previews');
  await page.keyboard.press('Home');
  await page.waitForFunction(() => document.getElementById('result-image')?.getAttribute('alt') === 'Preview after 4 steps');
  assert.is(await page.textContent('#result-step'), 'after 4 steps');
  await compareSteps(page);
  await page.click('#latest');
  await page.waitForFunction(() => document.getElementById('result-image')?.getAttribute('alt') === 'Newest result');
}

/** Shows the run from its folder, in a narrow window without buttons, until its process is gone. */
async function viewFolder(stepsDone: number): Promise<void> {
  const view = await serveRun(['view', out]);
  const again = await open(view.url, { width: 400, height: 800 });
  await status(again, 'stopped');
  assert.equal(await resultSize(again), [72, 48]);
  await curveReaches(again, stepsDone - 1);
  assert.is((await overflow(again))[0], 0);
  const { width, height } = (await (await again.$('#result-image'))!.boundingBox())!;
  assert.ok(width > 300 && Math.abs(width / height - 1.5) < 0.02, `the result is shown at ${width} x ${height}`);
  assert.not(await again.isVisible('#buttons'));
  assert.equal((await measured(again)).length, 3);
  hasNoTrouble(again);

  // The end of the process is noticed.
  view.child.kill('SIGKILL');
  await status(again, 'stopped');
  await again.waitForFunction(() => document.getElementById('banner')?.textContent?.includes('splice-gpu view'));
  assert.equal(await resultSize(again), [72, 48]);
}

/** A finished run of no GPU, whose photos lie in its folder; the result has another size than the training with `detail`. */
async function finishedRun(width: number, more: Partial<TransferOptions>): Promise<string> {
  const folder = join(temporaryFolder(), 'run');
  mkdirSync(folder);
  const photos = ['structure', 'appearance'].map((name) => join(folder, `${name}.png`)) as [string, string];
  for (const path of photos) await redBlue(width, (width * 2) / 3).png().toFile(path);
  const options = shortRun({ structure: photos[0], appearance: photos[1], model: files.model, out: folder });
  assert.is(await transfer({ ...options, ...more, strength: STRENGTHS }, fakeParts().parts), 0);
  return folder;
}
const STRENGTHS = [0, 0.5, 1.2];

/** Moves the slider, the last step by keyboard, and saves the picture. */
async function savedAt(page: Page, strength: number) {
  await page.fill('#strength', Math.max(0.05, strength - 0.05).toFixed(2));
  await page.focus('#strength');
  await page.keyboard.press(strength === 0 ? 'Home' : 'ArrowRight');
  assert.is(await page.textContent('#strength-number'), String(strength));
  const isShown = (end: string) => document.getElementById('mixture')!.getAttribute('aria-label')?.endsWith(end);
  await page.waitForFunction(isShown, ` ${strength}`);
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('#save-picture')]);
  return { name: download.suggestedFilename(), picture: await readImage(await download.path()) };
}

if (browser) {
  for (const [what, width, more] of [['as trained', 60, {}], ['with detail', 780, { size: 48, detail: 0.5 }]] as const) {
    test(`page: the strength of a result ${what} gives the pixels of the command line`, async () => {
      const folder = await finishedRun(width, more);
      const view = await serveRun(['view', folder]);
      const page = await open(view.url);
      await status(page, 'finished');
      assert.equal(await resultSize(page), [width, (width * 2) / 3]);
      assert.equal(await overflow(page), [0, 0]);
      for (const strength of STRENGTHS) {
        const { name, picture } = await savedAt(page, strength);
        assert.is(name, `result-25-strength-${strength}.png`);
        const file = await readImage(join(folder, `strength/${strength}.png`));
        assert.equal([picture.width, picture.height], [file.width, file.height]);
        const apart = picture.data.reduce((most, value, i) => Math.max(most, Math.abs(value - file.data[i]!)), 0);
        assert.ok(apart <= 1.01 / 255, `${apart * 255} levels apart`);
      }
      const command = `splice-gpu transfer --resume ${folder} --strength 1.2`;
      assert.is(await page.textContent('#strength-command'), command);
      assert.ok(await page.isVisible('#strength-command') && !(await page.isVisible('#enlarged')));
      assert.equal(await overflow(page), [0, 0]);
      hasNoTrouble(page);
      view.child.kill('SIGINT');
      await view.ended;
    });
  }

  test('page: a live run is shown, obeys and ends; its folder is shown again', async () => {
    const saving = ['--save-every', '4', '--keep-every', '8'];
    const run = await serveRun(['transfer', ...PHOTOS, '--out', out, ...TINY, ...saving, '--watch']);
    const page = await open(run.url);
    await status(page, 'running');
    assert.equal(await resultSize(page), [72, 48]);
    const alts = await page.$$eval('#inputs img', (images) => images.map((image) => (image as HTMLImageElement).alt));
    assert.equal(alts, ['Structure photo', 'Appearance photo']);
    assert.equal(await overflow(page), [0, 0], 'everything fits into 1280 x 800');

    // The curve grows.
    await curveReaches(page, 0);
    await curveReaches(page, (await lastStep(page)) + 10);
    assert.ok((await painted(page)) > 500);
    assert.match(await page.title(), /^0 % · valley as peaks$/);

    await pauseAndSave(page);

    // Structure, colour and sharpness of every planned save, and everything still fits.
    const saves = await measured(page);
    assert.ok(saves.length === 3 && saves.every((count) => count >= 2), `${saves}`);
    assert.equal(await overflow(page), [0, 0]);

    // Reload: everything is there again.
    const known = await lastStep(page);
    await page.reload();
    await curveReaches(page, known);
    assert.equal(await resultSize(page), [72, 48]);

    await browsePreviews(page);

    // A curve is switched off and on.
    const all = await painted(page);
    for (const name of ['total', 'structure', 'appearance']) await page.click(`#legend >> text=${name}`);
    assert.ok((await painted(page)) < all);
    await page.click('#legend >> text=total');

    await brushRegion(page);

    // Stop asks first, then stops, and the page keeps its content.
    await page.click('#stop');
    await page.keyboard.press('Escape');
    assert.is(await page.textContent('#status'), 'running');
    await page.click('#stop');
    await page.click('text=Stop the run');
    assert.is(await run.ended, 130, run.output());
    await status(page, 'stopped');
    await page.waitForFunction(() => document.getElementById('banner')?.textContent?.includes('splice-gpu view'));
    const banner = /^Stopped after \d+ of 100002 steps; everything is saved\. .*To see it again: splice-gpu view /;
    assert.match((await page.textContent('#banner'))!, banner);
    assert.not(await page.isVisible('#buttons'));
    assert.equal(await resultSize(page), [72, 48]);
    await page.focus('#previews');
    await page.keyboard.press('Home');
    await page.waitForFunction(() => document.getElementById('result-image')?.getAttribute('alt') === 'Preview after 4 steps');
    hasNoTrouble(page);
    const { status: end, stepsDone } = JSON.parse(readFileSync(join(out, 'config.json'), 'utf8'));
    assert.is(end, 'interrupted');

    await viewFolder(stepsDone);
  });
  test.after(() => browser.close());
}

test.run();
