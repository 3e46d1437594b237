/** What `transfer` writes, when, and what it leaves behind when something goes wrong. */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NoAdapterError, NonFiniteError, UsageError } from '../../cli/shared/errors.js';
import { readImage, readImageText } from '../../cli/photos/photo.js';
import { transfer } from '../../cli/transfer/transfer.js';
import { parseSafetensors, serializeSafetensors } from '../../model/files/safetensors.js';
import { fakeParts, shortRun } from '../helpers/fakeRun.js';
import { pixelAt, redBlue, temporaryFile, temporaryFolder } from '../helpers/pictures.js';
import { tinyWeights } from '../helpers/tinyVit.js';

const files = {
  structure: temporaryFile('structure.png', await redBlue(60, 40).png().toBuffer()),
  appearance: temporaryFile('appearance.jpg', await redBlue(40, 80).jpeg().toBuffer()),
  model: temporaryFile('tiny.safetensors', serializeSafetensors(tinyWeights())),
};
const newOut = () => join(temporaryFolder(), 'deep/out');
const json = (path: string) => JSON.parse(readFileSync(path, 'utf8'));
const logOf = (out: string) => readFileSync(join(out, 'log.jsonl'), 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line));
const everything = ['checkpoints', 'config.json', 'generator.safetensors', 'log.jsonl', 'losses.svg', 'previews', 'report.json', 'result.png', 'timings.jsonl', 'triptych.png'];

const failure = async (run: Promise<unknown>): Promise<Error> => {
  const error = await run.then(() => undefined, (reason: Error) => reason);
  assert.instance(error, Error);
  return error!;
};

test('transfer: all files, and nothing else', async () => {
  const out = newOut();
  const { parts, heard } = fakeParts();
  assert.is(await transfer(shortRun({ ...files, out }), parts), 0);
  assert.equal(readdirSync(out).sort(), everything);
  assert.equal(readdirSync(join(out, 'previews')), ['00010.png', '00020.png']);
  assert.ok(heard.destroyed && heard.closed);
  assert.match(heard.stdout, /^finished after 25 steps in \d+ s: .*result\.png\n$/);
});

test('transfer: the result has the structure image size and the final picture, previews theirs', async () => {
  const out = newOut();
  await transfer(shortRun({ ...files, out }, { steps: 20 }), fakeParts().parts);
  const result = await readImage(join(out, 'result.png'));
  assert.equal([result.width, result.height], [60, 40]);
  assert.equal(pixelAt(result, 5, 5), [5, 5, 5]); // 255 * 20 / 1000
  assert.equal(pixelAt(await readImage(join(out, 'previews/00010.png')), 5, 5), [3, 3, 3]);
  assert.equal(readdirSync(join(out, 'previews')), ['00010.png', '00020.png']);
});

test('transfer: the triptych is structure, result and appearance at one height', async () => {
  const out = newOut();
  await transfer(shortRun({ ...files, out }), fakeParts().parts);
  const picture = await readImage(join(out, 'triptych.png'));
  assert.equal([picture.width, picture.height], [60 + 2 + 60 + 2 + 20, 40]);
  assert.equal(pixelAt(picture, 2, 1), pixelAt(await readImage(files.structure), 2, 1));
  assert.equal(pixelAt(picture, 61, 1), [255, 255, 255]);
  assert.equal(pixelAt(picture, 70, 1), [6, 6, 6]); // 255 * 25 / 1000
  assert.ok(pixelAt(picture, 126, 2)[0]! > 200 && pixelAt(picture, 142, 2)[2]! > 200);
});

test('transfer: the log has every tenth step and the last; losses are also looked at before a save', async () => {
  const out = newOut();
  const { parts, heard } = fakeParts();
  await transfer(shortRun({ ...files, out }), parts);
  assert.equal(logOf(out).map(({ step }) => step), [0, 10, 20, 24]);
  assert.equal(Object.keys(logOf(out)[0]), ['step', 'structure', 'appearance', 'identity', 'total']);
  assert.equal(heard.calls.filter((call) => call.startsWith('losses')), ['losses 0', 'losses 9', 'losses 10', 'losses 19', 'losses 20', 'losses 24']);
  const timings = readFileSync(join(out, 'timings.jsonl'), 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line));
  assert.equal(timings.map(({ step }) => step), [0, 10, 20, 24]);
  assert.ok(timings.every(({ ms }) => ms >= 0));
});

test('transfer: a last step that is a tenth one is logged once', async () => {
  const out = newOut();
  await transfer(shortRun({ ...files, out }, { steps: 21 }), fakeParts().parts);
  assert.equal(logOf(out).map(({ step }) => step), [0, 10, 20]);
});

test('transfer: the generator carries its recipe, config everything to repeat the run', async () => {
  const out = newOut();
  await transfer({ ...shortRun({ ...files, out }), size: 36 }, fakeParts().parts);
  const { tensors, metadata } = parseSafetensors(readFileSync(join(out, 'generator.safetensors')));
  assert.equal([...tensors.get('conv.weight')!.data], [25]);
  assert.equal([metadata.get('recipe'), metadata.get('structureSize'), metadata.get('steps')], ['splice', '54x36', '25']);
  const config = json(join(out, 'config.json'));
  assert.is(config.status, 'finished');
  assert.equal([config.options.steps, config.options.size, config.options.saveEvery, config.options.seed], [25, 36, 10, 1]);
  assert.equal([config.structure.path, config.structure.size, config.structure.usedSize], [files.structure, [60, 40], [54, 36]]);
  assert.match(config.appearance.sha256, /^[0-9a-f]{64}$/);
  assert.equal([config.model.name, config.model.config.patch, config.device.device, config.version], ['tiny', 4, 'fake', '0.1.0']);
});

test('transfer: report.json has the figures of result and photos, the picture says how it was made', async () => {
  const out = newOut();
  await transfer(shortRun({ ...files, out }), fakeParts().parts);
  const { judge, match, result, baselines } = json(join(out, 'report.json'));
  assert.equal([judge, match, result.sharpness.toFixed(3)], ['tiny', 0.6, '0.025']);
  assert.equal(baselines.map(({ name }: { name: string }) => name), ['structure itself', 'appearance itself']);
  assert.is.not(baselines[0].figures.sharpness, result.sharpness);
  const text = await readImageText(join(out, 'result.png'));
  assert.equal([text['Seed'], text['Steps'], text['Model']], ['1', '25', 'tiny']);
  assert.is(text['Model SHA-256'], json(join(out, 'config.json')).model.sha256);
  assert.equal([JSON.parse(text['Settings']!).recipe, JSON.parse(text['Figures']!)], ['splice', result]);
});

test('transfer: photos that hardly match are warned about before training, others are not', async () => {
  const { parts, heard } = fakeParts({ match: 0.3, onStep: () => assert.match(heard.stderr, /warning: the photos hardly match \(0\.30; related/) });
  await transfer(shortRun({ ...files, out: newOut() }), parts);
  const good = fakeParts({ match: 0.5 });
  await transfer(shortRun({ ...files, out: newOut() }), good.parts);
  assert.not.match(good.heard.stderr, /warning/);
});

test('transfer: --json is one object on stdout', async () => {
  const out = newOut();
  const { parts, heard } = fakeParts();
  await transfer({ ...shortRun({ ...files, out }), json: true }, parts);
  const summary = JSON.parse(heard.stdout);
  assert.equal([summary.status, summary.stepsDone, summary.losses.step, summary.result], ['finished', 25, 24, join(out, 'result.png')]);
  assert.ok(summary.meanTotalOfLast50Steps > 0 && heard.stderr.includes('structure'));
});

test('transfer: an interrupt finishes the step and writes everything', async () => {
  const out = newOut();
  const controller = new AbortController();
  const { parts, heard } = fakeParts({ onStep: (done) => void (done === 17 && controller.abort()) }, controller.signal);
  assert.is(await transfer(shortRun({ ...files, out }), parts), 130);
  assert.is(heard.calls.filter((call) => call === 'step').length, 18);
  assert.equal(readdirSync(out).sort(), everything);
  assert.equal(logOf(out).map(({ step }) => step), [0, 10, 12]);
  const { status, stepsDone } = json(join(out, 'config.json'));
  assert.equal([status, stepsDone], ['interrupted', 13]);
});

test('transfer: an interrupt in the warm start leaves a picture too', async () => {
  const out = newOut();
  const controller = new AbortController();
  const { parts } = fakeParts({ onStep: (done) => void (done === 2 && controller.abort()) }, controller.signal);
  assert.is(await transfer(shortRun({ ...files, out }), parts), 130);
  assert.ok(existsSync(join(out, 'result.png')) && existsSync(join(out, 'losses.svg')));
});

test('transfer: Ctrl-C on the running process', async () => {
  const out = newOut();
  const url = (path: string) => new URL(path, import.meta.url).href;
  const script = temporaryFile('run.mjs', `
    import { interruptSignal } from '${url('../../cli/shared/interrupt.js')}';
    import { transfer } from '${url('../../cli/transfer/transfer.js')}';
    import { fakeParts, shortRun } from '${url('../helpers/fakeRun.js')}';
    const { parts } = fakeParts({ onStep: (done) => done === 12 && console.log('running') }, interruptSignal());
    const start = parts.startSplice;
    const slowly = async (...inputs) => {
      const run = await start(...inputs);
      const step = run.step;
      return Object.defineProperty(run, 'step', { value: () => new Promise((resolve) => setTimeout(() => resolve(step()), 5)) });
    };
    const options = shortRun(${JSON.stringify({ ...files, out })}, { steps: 5000 });
    process.exitCode = await transfer({ ...options, saveEvery: 1000 }, { ...parts, startSplice: slowly });`);
  const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
  child.stdout.once('data', () => child.kill('SIGINT'));
  assert.is(await new Promise((resolve) => child.on('exit', resolve)), 130);
  assert.equal(readdirSync(out).sort(), everything);
  const { status, stepsDone } = json(join(out, 'config.json'));
  assert.ok(status === 'interrupted' && stepsDone >= 7 && stepsDone < 1000);
  assert.is(logOf(out).at(-1).step, stepsDone - 1);
});

test('transfer: a loss that is not finite stops the run and keeps the last good picture', async () => {
  const out = newOut();
  const { parts, heard } = fakeParts({ nanFrom: 15 });
  const error = await failure(transfer(shortRun({ ...files, out }), parts));
  assert.instance(error, NonFiniteError);
  assert.match(error.message, /at step 19 the loss is not a finite number any more \(structure NaN, .*result\.png is the last good picture, of step 10; try another --seed or a smaller --lr/);
  assert.equal(readdirSync(join(out, 'previews')), ['00010.png']);
  assert.equal(pixelAt(await readImage(join(out, 'result.png')), 0, 0), [3, 3, 3]);
  assert.equal(logOf(out).map(({ step }) => step), [0, 10]);
  assert.is(json(join(out, 'config.json')).status, 'failed');
  assert.ok(heard.destroyed && heard.closed);
});

test('transfer: a picture that is not finite is never written, even where the losses are', async () => {
  const out = newOut();
  const error = await failure(transfer(shortRun({ ...files, out }), fakeParts({ nanPictureFrom: 20 }).parts));
  assert.match(error.message, /after 20 steps the picture holds values that are not finite: .*of step 10/);
  assert.equal(readdirSync(join(out, 'previews')), ['00010.png']);
});

test('transfer: an earlier run is not overwritten without --force, and with it replaced as a whole', async () => {
  const out = newOut();
  await transfer(shortRun({ ...files, out }), fakeParts().parts);
  const error = await failure(transfer(shortRun({ ...files, out }), fakeParts().parts));
  assert.instance(error, UsageError);
  assert.match(error.message, /holds an earlier run \(.*result\.png\): choose another --out, or --force/);
  writeFileSync(join(out, 'mine.txt'), 'kept');
  assert.is(await transfer({ ...shortRun({ ...files, out }, { steps: 11 }), force: true }, fakeParts().parts), 0);
  assert.equal(readdirSync(join(out, 'previews')), ['00010.png']);
  assert.equal(logOf(out).map(({ step }) => step), [0, 10]);
  assert.ok(existsSync(join(out, 'mine.txt')));
});

test('transfer: when training cannot start, no folder is left and an earlier run stays', async () => {
  const out = newOut();
  const { parts, heard } = fakeParts({ startError: new NoAdapterError('no WebGPU adapter') });
  await failure(transfer(shortRun({ ...files, out }), parts));
  assert.not(existsSync(join(out, '..')));
  assert.ok(heard.closed);
  await transfer(shortRun({ ...files, out }), fakeParts().parts);
  await failure(transfer({ ...shortRun({ ...files, out }), force: true }, parts));
  assert.equal(readdirSync(out).sort(), everything);
});

test.run();
