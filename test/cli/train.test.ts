/** train on a few tiny pictures, and what its generator does for transfer: one pass, mixes, further training. */
import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { onePass, type OnePassOptions } from '../../cli/transfer/onePass.js';
import { finetune } from '../../cli/transfer/finetune.js';
import type { TrainOptions } from '../../cli/train/options.js';
import { resumeTrain, train } from '../../cli/train/train.js';
import { readImage, writeImage } from '../../cli/photos/photo.js';
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
import { fakeJudge } from '../helpers/fakeRun.js';
import { testImage } from '../helpers/golden.js';
import { temporaryFile, temporaryFolder } from '../helpers/pictures.js';
import { tinyConfig } from '../helpers/tinyVit.js';

const photos = temporaryFolder();
for (let i = 0; i < 7; i++) await writeImage(join(photos, `${i}.png`), { width: 36 + (i % 3), height: 36, data: testImage(`photo.${i}`, 36, 36 + (i % 3)) });
await writeImage(join(photos, 'blank.png'), { width: 36, height: 36, data: new Float32Array(3 * 36 * 36).fill(0.5) });
const model = temporaryFile('tiny.safetensors', serializeSafetensors(untrainedVit(5, tinyConfig).weights));
const photo = (i: number) => join(photos, `${i}.png`);

const options = (change: Partial<TrainOptions> = {}): TrainOptions => ({
  structures: photos, appearances: photos, out: join(temporaryFolder(), 'out'), model, holdOut: 3, validateEvery: 2, shown: 2, force: false, json: true,
  anyPair: {
    ...defaultAnyPair, size: 36, vitSize: 12, steps: 4, warmStart: 2, batch: 2, ema: 0.5,
    sizes: { ...defaultSizes, channels: [4, 4, 4, 4, 4], width: 8, heads: 1, headSize: 4, scales: 5 },
  }, ...change,
});

/** What the commands need from outside, on the tests' device. */
function parts(interrupt = new AbortController().signal) {
  const heard = { stdout: '', stderr: '' };
  const openEngine = async () => {
    const engine = createEngine(await testDevice(), { poison: true });
    return { engine, adapter: { vendor: 'test', architecture: '', device: 'test', driver: '', software: true }, close: () => engine.destroy() };
  };
  return {
    heard,
    parts: { openEngine, startSplice, startAnyPair, startPretrain, openJudge: fakeJudge(0.6), interrupt, stdout: { write: (text: string) => (heard.stdout += text) }, stderr: { write: (text: string) => (heard.stderr += text) } },
  };
}

const contents = (out: string): Record<string, string> =>
  Object.fromEntries(['generator.safetensors', 'report.json', 'result.png', 'log.jsonl', 'previews/00002.png', 'previews/00004.png'].map((name) => [name, readFileSync(join(out, name)).toString('base64')]));

const whole = options();
const first = parts();
assert.is(await train(whole, first.parts), 0);
const generator = join(whole.out, 'generator.safetensors');

test('train writes a generator, sheets of held-out pairs and their figures', async () => {
  const { validation } = JSON.parse(readFileSync(join(whole.out, 'report.json'), 'utf8'));
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

test('a photo of a single colour is left out: it would end the training', () => {
  assert.match(first.heard.stderr, /left out: .*blank\.png is a single colour all over/);
  assert.match(first.heard.stderr, /4 structures, 4 appearances, 3 and 3 held out/);
});

test('a training that was interrupted goes on to the same files, without reading CLS tokens twice', async () => {
  const controller = new AbortController();
  const { parts: p, heard } = parts(controller.signal);
  const out = join(temporaryFolder(), 'out');
  p.stderr.write = (text: string) => {
    if (/after 2 steps/.test(text)) controller.abort();
    return (heard.stderr += text);
  };
  assert.is(await train({ ...options(), out }, p), 130);
  assert.is(JSON.parse(heard.stdout).stepsDone, 2);
  const tokens = readFileSync(join(out, 'cls.safetensors'));
  const again = parts();
  assert.is(await resumeTrain({ folder: out, watch: 0, json: true }, again.parts), 0);
  assert.match(again.heard.stderr, /watch it at http:\/\/127\.0\.0\.1:\d+/);
  assert.equal(contents(out), contents(whole.out));
  assert.ok(readFileSync(join(out, 'cls.safetensors')).equals(tokens));
});

test('too few photos, and a folder without a run, are one line', async () => {
  const folder = temporaryFolder();
  const error = await resumeTrain({ folder, json: false }, parts().parts).catch((e: Error) => e);
  assert.match((error as Error).message, /holds no run \(there is no .*config\.json\)/);
  const few = await train(options({ holdOut: 6 }), parts().parts).catch((e: Error) => e);
  assert.match((few as Error).message, /holds 7 photos: with --hold-out 6 at least 8 are needed/);
});

test('a training is not resumed with other photos: one more, another picture, or another ViT', async () => {
  const [mine, out] = [temporaryFolder(), join(temporaryFolder(), 'out')];
  for (let i = 0; i < 5; i++) copyFileSync(photo(i), join(mine, `${i}.png`));
  const weights = join(temporaryFolder(), 'tiny.safetensors');
  copyFileSync(model, weights);
  const run = options({ structures: mine, appearances: mine, out, model: weights, holdOut: 0, shown: 0 });
  assert.is(await train({ ...run, anyPair: { ...run.anyPair, steps: 2, warmStart: 0, batch: 1 } }, parts().parts), 0);
  const refusal = async () => {
    const error = await resumeTrain({ folder: out, json: false }, parts().parts).catch((e: Error) => e);
    assert.instance(error, InputError);
    return (error as Error).message;
  };
  copyFileSync(photo(5), join(mine, '5.png'));
  assert.match(await refusal(), new RegExp(`^${mine} is not the set of structure photos that the run in .*out began with: put that one back`));
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
  const out = join(temporaryFolder(), 'out');
  const { parts: p, heard } = parts();
  const code = await onePass({ generator, structure: photo(0), appearances: [photo(3)], out, model, force: false, json: true, ...change }, p);
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

test('transfer --mix: the ends of the strip are what each appearance alone gives', async () => {
  const mix = await applied({ appearances: [photo(3), photo(4)], mix: [0, 0.5, 1] });
  const [a, b] = [(await applied()).out, (await applied({ appearances: [photo(4)] })).out];
  const strip = sharp(join(mix.out, 'strip.png'));
  const from = (await readImage(photo(3))).width + 2; // the first appearance stands before the results, with a gap
  const piece = async (i: number) => (await strip.clone().extract({ left: from + i * 38, top: 0, width: 36, height: 36 }).raw().toBuffer()).toString('base64');
  const alone = async (out: string) => (await sharp(join(out, 'result.png')).raw().toBuffer()).toString('base64');
  assert.is((await strip.metadata()).height, 36);
  assert.is(await piece(0), await alone(a));
  assert.is(await piece(2), await alone(b));
  assert.is.not(await piece(0), await piece(2));
});

test('another ViT than the one it was trained with is refused', async () => {
  const other = temporaryFile('other.safetensors', serializeSafetensors(untrainedVit(6, tinyConfig).weights));
  const error = await applied({ model: other }).catch((e: Error) => e);
  assert.match((error as Error).message, /was trained with the ViT tiny .*, not with other/);
});

test('transfer --finetune begins with the generator, and can be taken up again', async () => {
  const out = join(temporaryFolder(), 'out');
  const splice = { ...defaultOptions, seed: 2 };
  const transfer = { structure: photo(0), appearance: photo(3), out, model, vit: {}, saveEvery: 1, json: true, force: false, splice };
  assert.is(await finetune({ generator, steps: 2, transfer, isGiven: (name) => name === 'model' }, parts().parts), 0);
  const config = JSON.parse(readFileSync(join(out, 'config.json'), 'utf8'));
  assert.equal([config.options.recipe, config.options.lr], ['splice-transfer', 0.0002]);
  assert.equal([config.options.vitSize, config.options.warmStart, config.options.size, config.stepsDone], [12, 0, 36, 2]);
  assert.is(config.generator.path, generator);
  assert.is(await resumeTransfer({ folder: out, steps: 3, json: true }, parts().parts), 0);
  assert.ok(existsSync(join(out, 'previews/00003.png')));
});

test.run();
