/** The result with detail: its files, figures and texts, and a run that is interrupted while detail is added. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readImage, readImageText } from '../../cli/photos/photo.js';
import { InputError, UsageError } from '../../cli/shared/errors.js';
import { parseOutput, targetOf, type OutputOptions } from '../../cli/transfer/output.js';
import { resumeTransfer, transfer } from '../../cli/transfer/transfer.js';
import { openRunFolder } from '../../cli/view/folder.js';
import { fakeParts, shortRun, type FakeBehaviour } from '../helpers/fakeRun.js';
import { pixelAt, redBlue, temporaryFile } from '../helpers/pictures.js';
import { assertSameContents, configOf, failure, files, interruptedRun, json, newOut } from '../helpers/runs.js';
import { writeConfig } from '../helpers/trainings.js';

const structure = temporaryFile('structure.png', await redBlue(300, 200).png().toBuffer());
const appearance = temporaryFile('appearance.png', await redBlue(120, 120).png().toBuffer());
const sized = (out: string, change: OutputOptions = {}) =>
  ({ ...shortRun({ ...files, structure, appearance, out }), size: 50, detail: 'auto' as const, ...change });

async function made(change: OutputOptions = {}, behaviour: FakeBehaviour = {}) {
  const out = newOut();
  const { parts, heard } = fakeParts(behaviour);
  assert.is(await transfer(sized(out, change), parts), 0);
  return { out, heard, details: heard.calls.filter((call) => call.startsWith('detail')) };
}

const sizeOf = async (path: string): Promise<number[]> => {
  const { width, height } = await readImage(path);
  return [width, height];
};

const undisturbed = await made();

test('detail: result.png has the photo\'s size, trained.png and the previews have the training\'s', async () => {
  const { out, heard, details } = undisturbed;
  assert.equal(details, ['detail 1 75x50 300x200 120x120'], 'once, with the photos at the size that the result needs');
  assert.equal(await sizeOf(join(out, 'result.png')), [300, 200]);
  assert.equal(await sizeOf(join(out, 'trained.png')), [75, 50]);
  assert.equal(await sizeOf(join(out, 'previews/00020.png')), [75, 50]);
  assert.equal(pixelAt(await readImage(join(out, 'result.png')), 7, 7), [255, 255, 255]);
  assert.equal(pixelAt(await readImage(join(out, 'trained.png')), 7, 7), [6, 6, 6]); // 255 * 25 / 1000
  assert.match(heard.stderr, /0\/100 percent of detail at 300 x 200/);
  assert.equal(configOf(out).page.facts.find(([name]: [string]) => name === 'Structure'), ['Structure', '75 x 50 → 300 x 200']);
});

test('detail: the triptych shows the photos as fine as the result', async () => {
  const triptych = await readImage(join(undisturbed.out, 'triptych.png'));
  assert.equal([triptych.width, triptych.height], [300 + 3 + 300 + 3 + 200, 200]);
  assert.equal(pixelAt(triptych, 450, 100), [255, 255, 255]);
});

test('detail: report.json has the figures with and without it, and both pictures say what was done', async () => {
  const { out } = undisturbed;
  const { result, trained, detail } = json(join(out, 'report.json'));
  assert.equal([result.sharpness, trained.sharpness.toFixed(3)], [1, '0.025']);
  assert.equal(detail, { amount: 1, gain: 1, texture: 1, from: [75, 50], to: [300, 200] });
  const [texts, plain] = [await readImageText(join(out, 'result.png')), await readImageText(join(out, 'trained.png'))];
  assert.equal([JSON.parse(texts['Detail']!), JSON.parse(texts['Figures']!)], [detail, result]);
  assert.equal([plain['Detail'], JSON.parse(plain['Figures']!), plain['Seed']], [undefined, trained, '1']);
  assert.is(JSON.parse(texts['Settings']!).detail, 'auto');
});

for (const [what, change, call, size] of [
  ['a strength', { detail: 0.25 }, 'detail 0.25 75x50 300x200 120x120', [300, 200]],
  ['--upscale', { upscale: 2 }, 'detail 1 75x50 150x100 100x100', [150, 100]],
  ['--output-size', { outputSize: 80 }, 'detail 1 75x50 120x80 80x80', [120, 80]],
] as const) {
  test(`detail: ${what}`, async () => {
    const { out, details } = await made(change);
    assert.equal(details, [call]);
    assert.equal(await sizeOf(join(out, 'result.png')), size);
  });
}

test('detail: none where it is off, or where the trained picture has the size of the result', async () => {
  for (const change of [{ detail: 0 }, { outputSize: 50 }]) {
    const { out, details } = await made(change);
    assert.equal([details, await sizeOf(join(out, 'result.png')), existsSync(join(out, 'trained.png'))], [[], [75, 50], false]);
    assert.equal(Object.keys(json(join(out, 'report.json'))), ['judge', 'match', 'losses', 'result', 'baselines']);
  }
});

test('detail: a result larger than its photo is made, with a note', async () => {
  const { out, heard } = await made({ outputSize: 400 });
  assert.match(heard.stderr, /note: 600 x 400 is more than the structure photo's 300 x 200: the photo is enlarged for it/);
  assert.equal(await sizeOf(join(out, 'result.png')), [600, 400]);
});

test('detail: sizes that cannot be made are refused before anything is created', async () => {
  const photo = { width: 4032, height: 3024 };
  const [trained, small] = [{ width: 171, height: 128 }, { width: 64, height: 48 }];
  const refusal = (options: OutputOptions): string => {
    try {
      return String(targetOf({ detail: 'auto', ...options }, photo, trained));
    } catch (error) {
      assert.instance(error, UsageError);
      return (error as Error).message;
    }
  };
  const tooMany = 'at most 64 megapixels are written';
  assert.is(refusal({ outputSize: 9000 }), `--output-size 9000 makes 12000 x 9000 pixels: ${tooMany}`);
  assert.is(refusal({ upscale: 64 }), `--upscale 64 makes 10923 x 8192 pixels: ${tooMany}`);
  const below = '--output-size 100 is below the 128 pixels of the trained picture: give a smaller --size too';
  assert.is(refusal({ outputSize: 100 }), below);
  assert.equal(targetOf({ detail: 'auto' }, photo, trained), photo);
  assert.is(targetOf({ detail: 'auto' }, small, trained), undefined, 'trained larger than the photo');
  const out = newOut();
  assert.instance(await failure(transfer(sized(out, { outputSize: 40 }), fakeParts().parts)), UsageError);
  assert.not(existsSync(out));
});

/** Resumes a run and returns the calls of its fake training. */
async function resumed(folder: string, steps?: number) {
  const { parts, heard } = fakeParts();
  assert.is(await resumeTransfer({ folder, json: false, ...(steps && { steps }) }, parts), 0);
  return heard.calls;
}

test('detail: an interrupt while it is added keeps the training, and a resume adds it', async () => {
  const [out, controller] = [newOut(), new AbortController()];
  const { parts, heard } = fakeParts({ onDetail: () => controller.abort() }, controller.signal);
  assert.is(await transfer(sized(out), parts), 130);
  assert.match(heard.stdout, /^interrupted after 25 steps .*; splice-gpu transfer --resume .* continues\n$/);
  const { status, stepsDone } = configOf(out);
  assert.equal([status, stepsDone], ['interrupted', 25]);
  assert.equal(await sizeOf(join(out, 'result.png')), [75, 50], 'the trained picture');
  assert.is(json(join(out, 'report.json')).detail, undefined);
  const calls = await resumed(out);
  assert.equal(calls.filter((call) => /^(step|detail)/.test(call)), ['detail 1 75x50 300x200 120x120']);
  assert.is(configOf(out).status, 'finished');
  assertSameContents(out, undisturbed.out);
});

test('detail: a process that is killed while it is added has written its checkpoint', async () => {
  const out = newOut();
  const onDetail = () => {
    assert.is(readdirSync(join(out, 'checkpoints')).at(-1), '00030.safetensors');
    throw new InputError('as a kill');
  };
  await failure(transfer(sized(out), fakeParts({ onDetail }).parts));
  writeConfig(out, { ...configOf(out), status: 'running' });
  await resumed(out);
  assertSameContents(out, undisturbed.out);
});

test('detail: an interrupted training gets none until it is resumed', async () => {
  const out = await interruptedRun((folder, parts) => transfer(sized(folder), parts), 15);
  assert.equal(await sizeOf(join(out, 'result.png')), [75, 50]);
  const calls = await resumed(out);
  assert.is(calls.filter((call) => call.startsWith('detail')).length, 1);
  assertSameContents(out, undisturbed.out);
});

test('detail: a finished run with more steps becomes the longer run', async () => {
  const [out, longer] = [newOut(), newOut()];
  await transfer(sized(out), fakeParts().parts);
  const options = sized(longer);
  await transfer({ ...options, splice: { ...options.splice, steps: 40 } }, fakeParts().parts);
  await resumed(out, 40);
  assertSameContents(out, longer);
});

test('detail: config.json is checked, and a run without these settings is one without detail', async () => {
  assert.equal(parseOutput({}), { detail: 0 });
  assert.equal(parseOutput({ detail: 0.5, upscale: 2, outputSize: null }), { detail: 0.5, upscale: 2 });
  for (const [fields, message] of [
    [{ detail: 2 }, 'options.detail is 2'], [{ detail: 'some' }, 'options.detail is "some"'],
    [{ upscale: 1 }, 'options.upscale is 1'], [{ outputSize: 1.5 }, 'options.outputSize is 1.5'],
  ] as const) assert.throws(() => parseOutput(fields), (error: Error) => error.message === message);
});

test('view: photos beside a result with detail are finer than those of the training', async () => {
  const { pictures } = (await openRunFolder(undisturbed.out, async () => false)).snapshot();
  assert.equal(pictures.map(({ name }) => name).sort(), ['appearance', 'result', 'structure']);
  const feed = await openRunFolder(undisturbed.out, async () => false);
  const png = await feed.png('picture/structure/1')!();
  assert.equal(await sizeOf(temporaryFile('shown.png', Buffer.from(png))), [300, 200]);
});

test.run();
