/** `--size auto`: what is chosen for a device, as a function of facts alone, and what a run makes of it. */
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { DeviceFacts } from '../../cli/gpu/device.js';
import { chooseFor, describeChoice } from '../../cli/transfer/choose.js';
import { resumeTransfer, transfer } from '../../cli/transfer/transfer.js';
import { ensureTransfer } from '../../cli/transfer/ensure.js';
import { CHOOSABLE, type Choice, type PairFacts } from '../../model/training/sizes.js';
import { fakeParts, shortRun } from '../helpers/fakeRun.js';
import { redBlue, temporaryFile } from '../helpers/pictures.js';
import { assertSameContents, configOf, files, interruptedRun, newOut } from '../helpers/runs.js';

const MIB = 2 ** 20;
const gpu: DeviceFacts = { software: false, cores: 8, memory: 4096 * MIB, largestBinding: 2048 * MIB };
const software: DeviceFacts = { software: true, cores: 2, memory: 8192 * MIB, largestBinding: 128 * MIB };
const phone = { width: 4032, height: 3024 };

/** A pair whose training needs about what the method's does. */
const pairOf = (facts: Partial<PairFacts> = {}): PairFacts => ({
  photos: [phone, phone],
  patch: 8,
  memory: ({ size = 3024 }) => ({ total: 60 * MIB + 3200 * size ** 2, largest: 190 * size ** 2 }),
  flops: ({ size = 3024, vitSize }) => 2.7e5 * size ** 2 + 5e5 * vitSize ** 2,
  ...facts,
});
const usual: Choice = { vitSize: 224, steps: 10_000 };
const chosen = (device: DeviceFacts, facts?: Partial<PairFacts>, choose: typeof CHOOSABLE | readonly [] = CHOOSABLE) =>
  chooseFor(choose, usual, device, pairOf(facts));

test('a GPU trains at 512 pixels, with the method\'s own steps and ViT input', () => {
  assert.equal(chosen(gpu), { size: 512, vitSize: 224, steps: 10_000 });
});

test('photos are never enlarged, and a smaller result is trained at its own size', () => {
  assert.is(chosen(gpu, { photos: [phone, { width: 640, height: 300 }] }).size, 300);
  assert.is(chosen(software, { photos: [{ width: 60, height: 40 }, phone] }).size, 40);
  assert.is(chosen(gpu, { outputSize: 200 }).size, 200);
});

test('a device that binds or holds less trains smaller', () => {
  assert.is(chosen({ ...gpu, largestBinding: 32 * MIB }).size, 384, '448 needs 36 MiB in one buffer');
  assert.is(chosen({ ...gpu, memory: 300 * MIB }).size, 256);
  assert.is(chosen({ ...gpu, memory: 1 }).size, 35, 'the start says what is missing');
  assert.is(chosen({ ...gpu, memory: 1 }, { photos: [{ width: 30, height: 30 }] }).size, 30);
});

test('a software adapter gets a small training that takes minutes: more cores make more steps, a larger ViT fewer', () => {
  const { size, vitSize, steps } = chosen(software);
  assert.equal([size, vitSize], [128, 112]);
  assert.ok(steps >= 200 && steps <= 1000 && steps % 50 === 0, `${steps} steps`);
  assert.is(chosen(software, { patch: 16 }).vitSize, 224);
  assert.is(chosen(software, { patch: 32 }).vitSize, 224, 'not above the usual');
  const heavy = { flops: () => 30e9 };
  assert.equal([2, 3, 64].map((cores) => chosen({ ...software, cores }, heavy).steps), [250, 350, 1000]);
  assert.is(chosen(software, { flops: () => 1e15 }).steps, 200);
  assert.equal(chosen(software), chosen(software), 'nothing is measured');
});

test('what is given stays as it is', () => {
  const given: Choice = { size: 300, vitSize: 96, steps: 77 };
  assert.equal(chooseFor([], given, software, pairOf()), given);
  assert.equal(chooseFor(['size'], given, software, pairOf()), { ...given, size: 128 });
  assert.equal(chooseFor(['vitSize'], { ...given, vitSize: 224 }, software, pairOf()), { ...given, vitSize: 112 });
  assert.equal(chooseFor(['steps'], { vitSize: 96, steps: 100 }, software, pairOf()), { vitSize: 96, steps: 100 }, 'own size');
});

test('the choice is said in words: on a software adapter with its time and what a GPU would add', () => {
  const choice = { size: 128, vitSize: 112, steps: 500 };
  const [first, second, ...more] = describeChoice(CHOOSABLE, choice, 80, software, 9e9);
  const values = '--size 128 --vit-size 112 --steps 500';
  assert.is(first, `chosen for a software adapter (no GPU) on 2 cores: ${values}, a first picture in some 3 min`);
  assert.match(second!, /a GPU would train at up to 512 pixels .* more --steps bring the look nearer/);
  assert.equal(more, []);
  assert.equal(describeChoice(CHOOSABLE, choice, 80, gpu, 9e9), ['chosen for this GPU and these photos: --size 128']);
  for (const device of [gpu, software]) assert.equal(describeChoice([], choice, 80, device, 9e9), []);
  assert.equal(describeChoice(['steps'], choice, 80, gpu, 9e9), []);
});

const large = temporaryFile('large.png', await redBlue(400, 300).png().toBuffer());
const auto = (out: string, choose: typeof CHOOSABLE | readonly ['size'] = ['size']) =>
  ({ ...shortRun({ ...files, structure: large, appearance: large, out }), choose });

test('transfer: the choice is printed before the start and kept in config.json', async () => {
  const out = newOut();
  const { parts, heard } = fakeParts();
  assert.is(await transfer(auto(out, CHOOSABLE), parts), 0);
  assert.match(heard.stderr, /chosen for a software adapter \(no GPU\) on 2 cores: --size 128 --vit-size 56 --steps 25, /);
  const { options, structure } = configOf(out);
  assert.equal([options.size, options.vitSize, options.steps, structure.usedSize], [128, 56, 25, [171, 128]]);
});

test('transfer: a resume does not choose again, on another device either', async () => {
  const whole = newOut();
  await transfer(auto(whole), fakeParts().parts);
  const out = await interruptedRun((folder, parts) => transfer(auto(folder), parts), 12);
  const { parts, heard } = fakeParts({ device: { software: false, largestBinding: 2 ** 31 } });
  assert.is(await resumeTransfer({ folder: out, json: false }, parts), 0);
  assert.not.match(heard.stderr, /chosen/);
  assertSameContents(out, whole);
});

test('a batch that is started again takes a run with other choices as its own', async () => {
  const out = newOut();
  await transfer(auto(out, CHOOSABLE), fakeParts().parts);
  const notes: string[] = [];
  const other = fakeParts({ device: { software: false, largestBinding: 2 ** 31 } });
  const onOther = (setting: string): void => void notes.push(setting);
  const note = (text: string): void => void notes.push(text);
  const wanted = { ...auto(out, CHOOSABLE), splice: { ...auto(out).splice, steps: 9000, vitSize: 99 } };
  assert.is(await ensureTransfer(wanted, other.parts, { onOther, note }), 0);
  assert.equal([notes, other.heard.calls], [['done already'], []]);
});

test('transfer: photos at their own size are as before', async () => {
  const out = newOut();
  const { parts, heard } = fakeParts();
  await transfer(shortRun({ ...files, structure: large, out }), parts);
  assert.equal([configOf(out).options.size, configOf(out).structure.usedSize], [null, [400, 300]]);
  assert.not.match(heard.stderr, /chosen/);
  assert.ok(join(out, 'trained.png') && !heard.calls.some((call) => call.startsWith('detail')));
});

test.run();
