/** `train` on a few tiny pictures, and `transfer` with its generator: one pass, mixes, further training. */
import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { onePass, type OnePassOptions } from '../../cli/transfer/onePass.js';
import { finetune } from '../../cli/transfer/finetune.js';
import type { TrainOptions } from '../../cli/train/options.js';
import { resumeTrain, train } from '../../cli/train/train.js';
import { readImage, readImageText, writeImage } from '../../cli/photos/photo.js';
import { InputError } from '../../cli/shared/errors.js';
import { resumeTransfer } from '../../cli/transfer/transfer.js';
import { createEngine } from '../../engine/index.js';
import { defaultAnyPair, defaultSizes } from '../../model/anyPair/options.js';
import { defaultOptions } from '../../model/method/options.js';
import { serializeSafetensors } from '../../model/files/safetensors.js';
import { startAnyPair } from '../../model/anyPair/training.js';
import { startPretrain } from '../../model/pretraining/pretrain.js';
import { startSplice } from '../../model/training/pair.js';
import { untrainedVit } from '../../model/vit/untrained.js';
import { testDevice } from '../helpers/device.js';
import { fakeParts } from '../helpers/fakeRun.js';
import { testImage } from '../helpers/golden.js';
import { temporaryFile, temporaryFolder } from '../helpers/pictures.js';
import { assertSameContents, configOf, failure, json, newOut } from '../helpers/runs.js';
import { tinyConfig } from '../helpers/tinyVit.js';

const photos = temporaryFolder();
const photo = (i: number) => join(photos, `${i}.png`);
for (let i = 0; i < 7; i++) {
  const [width, height] = [36 + (i % 3), 36];
  await writeImage(photo(i), { width, height, data: testImage(`photo.${i}`, height, width) });
}
await writeImage(join(photos, 'blank.png'), { width: 36, height: 36, data: new Float32Array(3 * 36 * 36).fill(0.5) });
const model = temporaryFile('tiny.safetensors', serializeSafetensors(untrainedVit(5, tinyConfig).weights));

const options = (change: Partial<TrainOptions> = {}): TrainOptions => ({
  structures: photos, appearances: photos, out: newOut(), model, holdOut: 3, validateEvery: 2, shown: 2, force: false, json: true,
  anyPair: {
    ...defaultAnyPair, size: 36, vitSize: 12, steps: 4, warmStart: 2, batch: 2, ema: 0.5,
    sizes: { ...defaultSizes, channels: [4, 4, 4, 4, 4], width: 8, heads: 1, headSize: 4, scales: 5 },
  }, ...change,
});

/** Parts for real trainings on the tests' device, and a record of their output. */
function parts(interrupt?: AbortSignal) {
  const { parts: fake, heard } = fakeParts({}, interrupt);
  const openEngine = async () => {
    const [engine, { adapter }] = [createEngine(await testDevice(), { poison: true }), await fake.openEngine()];
    return { engine, adapter, close: () => engine.destroy() };
  };
  return { heard, parts: { ...fake, openEngine, startSplice, startAnyPair, startPretrain } };
}

const whole = options();
const first = parts();
assert.is(await train(whole, first.parts), 0);
const generator = join(whole.out, 'generator.safetensors');

test('train writes a generator, sheets of held-out pairs and their figures', async () => {
  const { validation } = json(join(whole.out, 'report.json'));
  assert.equal(validation.map((v: { step: number }) => v.step), [0, 2, 4]);
  for (const v of validation) {
    assert.equal([v.pairs, v.appearances], [3, 3]);
    assert.ok(v.structure > 0 && v.appearance > 0 && v.unchangedAppearance > 0 && v.retrieved <= 3 && v.figures.sharpness >= 0);
  }
  const { width, height } = await readImage(join(whole.out, 'result.png'));
  assert.equal([width, height], [3 * 38 - 2, 2 * 38 - 2]);
  const summary = JSON.parse(first.heard.stdout);
  assert.equal([summary.status, summary.stepsDone, summary.generator], ['finished', 4, generator]);
  assert.match(first.heard.stderr, /4 structures, 4 appearances, 3 and 3 held out/);
});

test('a photo of a single colour is left out, because it would end the training', () => {
  assert.match(first.heard.stderr, /left out: .*blank\.png is a single colour all over/);
});

test('an interrupted training is resumed to the same files, without reading CLS tokens twice', async () => {
  const controller = new AbortController();
  const { parts: p, heard } = parts(controller.signal);
  const out = newOut();
  p.stderr.write = (text: string) => {
    if (/after 2 steps/.test(text)) controller.abort();
    return (heard.stderr += text);
  };
  assert.is(await train({ ...options(), out }, p), 130);
  assert.is(JSON.parse(heard.stdout).stepsDone, 2);
  const tokens = readFileSync(join(out, 'cls.safetensors'));
  assert.is(await resumeTrain({ folder: out, json: true }, parts().parts), 0);
  assertSameContents(out, whole.out);
  assert.ok(readFileSync(join(out, 'cls.safetensors')).equals(tokens));
});

test('too few photos are one line', async () => {
  const { message } = await failure(train(options({ holdOut: 6 }), parts().parts));
  assert.match(message, /holds 7 photos: with --hold-out 6 at least 8 are needed/);
});

test('a training is not resumed with other photos: one more, another picture, or another ViT', async () => {
  const [mine, out] = [temporaryFolder(), newOut()];
  for (let i = 0; i < 5; i++) copyFileSync(photo(i), join(mine, `${i}.png`));
  const weights = join(temporaryFolder(), 'tiny.safetensors');
  copyFileSync(model, weights);
  const run = options({ structures: mine, appearances: mine, out, model: weights, holdOut: 0, shown: 0 });
  assert.is(await train({ ...run, anyPair: { ...run.anyPair, steps: 2, warmStart: 0, batch: 1 } }, parts().parts), 0);
  const refusal = async () => {
    const error = await failure(resumeTrain({ folder: out, json: false }, parts().parts));
    assert.instance(error, InputError);
    return error.message;
  };
  copyFileSync(photo(5), join(mine, '5.png'));
  const began = 'that the run in .*out began with: put that one back';
  assert.match(await refusal(), new RegExp(`^${mine} is not the set of structure photos ${began}`));
  rmSync(join(mine, '5.png'));
  copyFileSync(photo(6), join(mine, '4.png'));
  assert.match(await refusal(), /is not the set of structure photos/);
  copyFileSync(photo(4), join(mine, '4.png'));
  writeFileSync(weights, serializeSafetensors(untrainedVit(6, tinyConfig).weights));
  assert.match(await refusal(), /tiny\.safetensors is not the ViT weights that the run in .*out began with/);
  copyFileSync(model, weights);
  assert.is(await resumeTrain({ folder: out, json: false }, parts().parts), 0);
});

const applied = async (change: Partial<OnePassOptions> = {}) => {
  const out = newOut();
  const { parts: p, heard } = parts();
  const pass = { generator, structure: photo(0), appearances: [photo(3)], out, model, force: false, json: true, ...change };
  const code = await onePass(pass, p);
  return { out, code, summary: JSON.parse(heard.stdout) };
};

test('transfer --generator: one pass, its time, and a picture of the structure size', async () => {
  const { out, code, summary } = await applied({ size: 40 });
  assert.is(code, 0);
  assert.equal(summary.size, [40, 40]);
  assert.is(summary.milliseconds.length, 1);
  const { width, height } = await readImage(join(out, 'result.png'));
  assert.equal([width, height], [40, 40]);
  assert.equal(readdirSync(out).sort(), ['config.json', 'previews', 'result.png', 'triptych.png']);
});

test('transfer --mix: the ends of the strip are the results of each appearance alone', async () => {
  const mix = await applied({ appearances: [photo(3), photo(4)], mix: [0, 0.5, 1] });
  const [a, b] = [(await applied()).out, (await applied({ appearances: [photo(4)] })).out];
  const strip = sharp(join(mix.out, 'strip.png'));
  const from = (await readImage(photo(3))).width + 2; // the first appearance and a gap come before the results
  const pixels = async (picture: Sharp) => (await picture.raw().toBuffer()).toString('base64');
  const piece = (i: number) => pixels(strip.clone().extract({ left: from + i * 38, top: 0, width: 36, height: 36 }));
  const alone = (out: string) => pixels(sharp(join(out, 'result.png')));
  assert.is((await strip.metadata()).height, 36);
  assert.is(await piece(0), await alone(a));
  assert.is(await piece(2), await alone(b));
  assert.is.not(await piece(0), await piece(2));
});

const large = join(temporaryFolder(), 'large.png');
await writeImage(large, { width: 90, height: 72, data: testImage('large', 72, 90) });

test('transfer --generator: with detail the result has the photo\'s size', async () => {
  const { out, summary } = await applied({ structure: large, detail: 'auto' });
  assert.equal(summary.size, [90, 72]);
  assert.ok(summary.detailSeconds >= 0);
  assert.equal(readdirSync(out).sort(), ['config.json', 'previews', 'result.png', 'trained.png', 'triptych.png']);
  const [result, trained] = [await readImage(join(out, 'result.png')), await readImage(join(out, 'trained.png'))];
  assert.equal([result.width, trained.width, trained.height], [90, 45, 36]);
  const { from, to } = JSON.parse((await readImageText(join(out, 'result.png')))['Detail']!);
  assert.equal([from, to], [[45, 36], [90, 72]]);
  assert.equal((await applied({ structure: large, detail: 'auto', outputSize: 50 })).summary.size, [63, 50]);
  assert.equal((await applied({ structure: large, detail: 'auto', size: 'full' })).summary.size, [90, 72]);
  const { message } = await failure(applied({ structure: large, detail: 'auto', outputSize: 20 }));
  assert.match(message, /^--output-size 20 is below/);
});

test('transfer --mix: every picture of the strip has detail, in texture of the nearer appearance', async () => {
  const { out } = await applied({ structure: large, detail: 'auto', appearances: [photo(0), photo(4)], mix: [0, 0.5, 1] });
  const strip = await readImage(join(out, 'strip.png'));
  assert.equal([strip.width, strip.height], [72 + 2 + 3 * (90 + 2) + 74, 72]);
});

test('another ViT than the one it was trained with is refused', async () => {
  const other = temporaryFile('other.safetensors', serializeSafetensors(untrainedVit(6, tinyConfig).weights));
  assert.match((await failure(applied({ model: other }))).message, /was trained with the ViT tiny .*, not with other/);
});

test('transfer --finetune begins with the generator, and can be resumed', async () => {
  const out = newOut();
  const splice = { ...defaultOptions, seed: 2 };
  const photosOf = { structure: photo(0), appearance: photo(3) };
  const transfer = { ...photosOf, out, model, vit: {}, saveEvery: 1, json: true, force: false, splice };
  assert.is(await finetune({ generator, steps: 2, transfer, isGiven: (name) => name === 'model' }, parts().parts), 0);
  const config = configOf(out);
  assert.equal([config.options.recipe, config.options.lr], ['splice-transfer', 0.0002]);
  assert.equal([config.options.vitSize, config.options.warmStart, config.options.size, config.stepsDone], [12, 0, 36, 2]);
  assert.is(config.generator.path, generator);
  assert.is(await resumeTransfer({ folder: out, steps: 3, json: true }, parts().parts), 0);
  assert.ok(existsSync(join(out, 'previews/00003.png')));
  const { generator: _, ...without } = configOf(out);
  writeFileSync(join(out, 'config.json'), JSON.stringify(without));
  const error = await failure(resumeTransfer({ folder: out, steps: 4, json: true }, parts().parts));
  assert.match(error.message, /config\.json does not have the generator for all pairs that the run began with/);
});

test.run();
