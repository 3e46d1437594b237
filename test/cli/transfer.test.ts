/** The files that `transfer` writes, and when. trainings.test.ts tests what it has in common with other trainings. */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readImage, readImageText } from '../../cli/photos/photo.js';
import { resumeTransfer, transfer } from '../../cli/transfer/transfer.js';
import { parseSafetensors } from '../../model/files/safetensors.js';
import { published } from '../../model/method/options.js';
import { fakeParts, shortRun, type FakeBehaviour } from '../helpers/fakeRun.js';
import { pixelAt, temporaryFile } from '../helpers/pictures.js';
import { configOf, failure, files, interruptedRun, json, linesOf, loggedSteps, newOut, timesTold } from '../helpers/runs.js';

const everything = [
  'checkpoints', 'config.json', 'figures.jsonl', 'generator.safetensors', 'log.jsonl', 'losses.svg', 'previews', 'report.json',
  'result.png', 'timings.jsonl', 'triptych.png',
];

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

test('transfer: the log has every tenth step and the last; losses are also read before a save', async () => {
  const out = newOut();
  const { parts, heard } = fakeParts();
  await transfer(shortRun({ ...files, out }), parts);
  assert.equal(loggedSteps(out), [0, 10, 20, 24]);
  assert.equal(Object.keys(linesOf(out)[0]), ['step', 'structure', 'appearance', 'identity', 'total']);
  const read = heard.calls.filter((call) => call.startsWith('losses'));
  assert.equal(read, [0, 9, 10, 19, 20, 24].map((step) => `losses ${step}`));
  const timings = linesOf(out, 'timings.jsonl');
  assert.equal(timings.map(({ step }) => step), [0, 10, 20, 24]);
  assert.ok(timings.every(({ ms }) => ms >= 0));
});

test('transfer: a last step that is a tenth one is logged once', async () => {
  const out = newOut();
  await transfer(shortRun({ ...files, out }, { steps: 21 }), fakeParts().parts);
  assert.equal(loggedSteps(out), [0, 10, 20]);
});

test('transfer: the generator carries its recipe, config everything to repeat the run', async () => {
  const out = newOut();
  await transfer({ ...shortRun({ ...files, out }), size: 36 }, fakeParts().parts);
  const { tensors, metadata } = parseSafetensors(readFileSync(join(out, 'generator.safetensors')));
  assert.equal([...tensors.get('conv.weight')!.data], [25]);
  assert.equal([metadata.get('recipe'), metadata.get('structureSize'), metadata.get('steps')], ['splice', '54x36', '25']);
  const { status, options, structure, appearance, model, device, version } = configOf(out);
  assert.is(status, 'finished');
  assert.equal([options.steps, options.size, options.saveEvery, options.seed], [25, 36, 10, 1]);
  assert.equal([structure.path, structure.size, structure.usedSize], [files.structure, [60, 40], [54, 36]]);
  assert.match(appearance.sha256, /^[0-9a-f]{64}$/);
  assert.equal([model.name, model.config.patch, device.device, version], ['tiny', 4, 'fake', '0.1.0']);
});

test('transfer: settings of the published method are those of a run from before it could be changed', async () => {
  const out = newOut();
  await transfer({ ...shortRun({ ...files, out }, published), detail: 0 }, fakeParts().parts);
  const method = [
    'recipe', 'steps', 'seed', 'lambdaStructure', 'lambdaAppearance', 'lambdaIdentity', 'lr', 'antialias', 'warmStart', 'vitSize',
    'checkpointing', 'precision',
  ];
  const settings = (await readImageText(join(out, 'result.png')))['Settings']!;
  assert.equal(Object.keys(JSON.parse(settings)), [...method, 'size', 'saveEvery', 'structure', 'appearance']);
});

test('transfer: config.json has the neurons of test-time registers, and a resumed run keeps them', async () => {
  const out = newOut();
  const { parts } = fakeParts();
  await transfer({ ...shortRun({ ...files, out }), testTimeRegisters: '0:3' }, parts);
  const { options, model } = configOf(out);
  assert.equal([options.testTimeRegisters, model.config.registers, model.config.registerNeurons], ['0:3', 1, [[0, 3]]]);
  assert.is(await resumeTransfer({ folder: out, steps: 30, json: false }, fakeParts().parts), 0);
  assert.equal([configOf(out).stepsDone, configOf(out).model.config.registerNeurons], [30, [[0, 3]]]);
});

test('transfer: report.json has the figures of result and photos, result.png records how it was made', async () => {
  const out = newOut();
  await transfer(shortRun({ ...files, out }), fakeParts().parts);
  const { judge, match, result, baselines } = json(join(out, 'report.json'));
  assert.equal([judge, match, result.sharpness.toFixed(3)], ['tiny', 0.6, '0.025']);
  assert.equal(baselines.map(({ name }: { name: string }) => name), ['structure itself', 'appearance itself']);
  assert.is.not(baselines[0].figures.sharpness, result.sharpness);
  const text = await readImageText(join(out, 'result.png'));
  assert.equal([text['Seed'], text['Steps'], text['Model']], ['1', '25', 'tiny']);
  assert.is(text['Model SHA-256'], configOf(out).model.sha256);
  assert.equal([JSON.parse(text['Settings']!).recipe, JSON.parse(text['Figures']!)], ['splice', result]);
});

test('transfer: photos that hardly match are warned about before training, others are not', async () => {
  const onStep = () => assert.match(heard.stderr, /warning: the photos hardly match \(0\.30; related/);
  const { parts, heard } = fakeParts({ match: 0.3, onStep });
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
  const { status, stepsDone, losses, result } = summary;
  assert.equal([status, stepsDone, losses.step, result], ['finished', 25, 24, join(out, 'result.png')]);
  assert.ok(summary.meanTotalOfLast50Steps > 0 && heard.stderr.includes('structure'));
});

test('transfer: an interrupt in the warm start leaves a picture too, and says how far it came', async () => {
  let last = '';
  const out = await interruptedRun((folder, parts) => {
    const stdout = { ...parts.stdout, write: (text: string) => void (last = text) };
    return transfer(shortRun({ ...files, out: folder }), { ...parts, stdout });
  }, 3);
  assert.ok(existsSync(join(out, 'result.png')) && existsSync(join(out, 'losses.svg')));
  assert.match(last, /^interrupted after 3 steps of the warm start in \d+ s: /);
});

test('transfer: Ctrl-C on the running process finishes the step and writes everything', async () => {
  const out = newOut();
  const url = (path: string) => new URL(path, import.meta.url).href;
  const script = temporaryFile('run.mjs', `
    import { setTimeout as sleep } from 'node:timers/promises';
    import { interruptSignal } from '${url('../../cli/shared/interrupt.js')}';
    import { transfer } from '${url('../../cli/transfer/transfer.js')}';
    import { fakeParts, shortRun } from '${url('../helpers/fakeRun.js')}';
    const onStep = async (done) => {
      if (done === 12) console.log('running');
      await sleep(5);
    };
    const { parts } = fakeParts({ onStep }, interruptSignal());
    const options = shortRun(${JSON.stringify({ ...files, out })}, { steps: 5000 });
    process.exitCode = await transfer({ ...options, saveEvery: 1000 }, parts);`);
  const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
  child.stdout.once('data', () => child.kill('SIGINT'));
  assert.is(await new Promise((resolve) => child.on('exit', resolve)), 130);
  assert.equal(readdirSync(out).sort(), everything.filter((name) => name !== 'figures.jsonl'), 'no planned save was reached');
  const { status, stepsDone } = configOf(out);
  assert.ok(status === 'interrupted' && stepsDone >= 7 && stepsDone < 1000);
  assert.is(loggedSteps(out).at(-1), stepsDone - 1);
});

test('transfer: after the first measured steps the time to the last one is told, once, and again after a resume', async () => {
  const out = newOut();
  const pace = /^measured: 0\.0\d+ s a step, [\d:]+ to the last one/;
  const first = await timesTold((parts) => transfer(shortRun({ ...files, out }, { steps: 90_000 }), parts), 50);
  const second = await timesTold((parts) => resumeTransfer({ folder: out, json: false }, parts), 110);
  for (const told of [first, second]) {
    assert.is(told.length, 1);
    assert.match(told[0]!, pace);
  }
  const quick = fakeParts();
  await transfer(shortRun({ ...files, out: newOut() }), quick.parts);
  assert.not.match(quick.heard.stderr, /measured/);
});

for (const [what, behaviour, message] of [
  ['a loss', { nanFrom: 15 }, /at step 19 the loss .* \(structure NaN, .*result\.png is the last good picture, of step 10;/],
  ['a picture', { nanPictureFrom: 20 }, /after 20 steps the picture holds values that are not finite: .*of step 10/],
] as const satisfies [string, FakeBehaviour, RegExp][]) {
  test(`transfer: ${what} that is not finite ends the run, and the last good picture stays`, async () => {
    const out = newOut();
    assert.match((await failure(transfer(shortRun({ ...files, out }), fakeParts(behaviour).parts))).message, message);
    assert.equal(readdirSync(join(out, 'previews')), ['00010.png']);
    assert.equal(pixelAt(await readImage(join(out, 'result.png')), 0, 0), [3, 3, 3]); // 255 * 10 / 1000
  });
}

test.run();
