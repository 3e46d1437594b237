/** `--until`: runs that end when nothing gets better or a figure is reached, and the figures of every save. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ensureTransfer } from '../../cli/transfer/ensure.js';
import type { TransferOptions } from '../../cli/transfer/options.js';
import { resumeTransfer, transfer } from '../../cli/transfer/transfer.js';
import { PLATEAU_SAVES, untilOf } from '../../cli/transfer/until.js';
import { openRunFolder } from '../../cli/view/folder.js';
import { fakeParts, shortRun } from '../helpers/fakeRun.js';
import { runCli } from '../helpers/pictures.js';
import { assertSameContents, configOf, failure, files, interruptedRun, linesOf, newOut } from '../helpers/runs.js';

/** A fake picture's sharpness is a thousandth of its steps, to within eight bits. */
const run = (out: string, change: Partial<TransferOptions> = {}, steps = 95): TransferOptions =>
  ({ ...shortRun({ ...files, out }, { steps }), ...change });
const figureSteps = (out: string): number[] => linesOf(out, 'figures.jsonl').map(({ step }) => step);
const row = (step: number, structure: number, colour: number, sharpness: number) => ({ step, structure, colour, sharpness });

test('figures.jsonl has every planned save and the last step', async () => {
  const out = newOut();
  await transfer(run(out), fakeParts().parts);
  assert.equal(figureSteps(out), [10, 20, 30, 40, 50, 60, 70, 80, 90, 95]);
  const [first] = linesOf(out, 'figures.jsonl');
  assert.equal([Object.keys(first), first.structure], [['step', 'structure', 'colour', 'sharpness'], 1]);
  assert.ok(Math.abs(first.sharpness - 0.01) < 1e-6);
});

test('--until sharpness:0.03 ends at the first save that reaches it, and the page of the folder says why', async () => {
  const out = newOut();
  const { parts, heard } = fakeParts();
  assert.is(await transfer(run(out, { until: 'sharpness:0.0299', json: true }), parts), 0);
  const { status, stepsDone, ended, options } = configOf(out);
  assert.equal([status, stepsDone, ended, options.until], ['finished', 30, 'reached sharpness 0.0300', 'sharpness:0.0299']);
  assert.equal(figureSteps(out), [10, 20, 30]);
  const summary = JSON.parse(heard.stdout);
  assert.equal([summary.status, summary.stepsDone, summary.ended], ['finished', 30, 'reached sharpness 0.0300']);
  const { state, figures } = (await openRunFolder(out, async () => false)).snapshot();
  assert.equal([state.status, state.done, state.note], ['finished', 35, 'It ended early: reached sharpness 0.0300.']);
  assert.equal(figures, linesOf(out, 'figures.jsonl'));
});

for (const stop of [3, 10, 24, 25, 33]) {
  test(`--until: interrupted after ${stop} steps and resumed, every file is that of an undisturbed run`, async () => {
    const [undisturbed, until] = [newOut(), 'sharpness:0.0299'];
    await transfer(run(undisturbed, { until }), fakeParts().parts);
    const stopped = await interruptedRun((folder, parts) => transfer(run(folder, { until }), parts), stop);
    assert.is(await resumeTransfer({ folder: stopped, json: false }, fakeParts().parts), 0);
    assertSameContents(stopped, undisturbed);
    assert.is(configOf(stopped).stepsDone, 30);
  });
}

test('--resume --until steps goes on to the last step, as if there had been no end before it', async () => {
  const [out, whole] = [newOut(), newOut()];
  await transfer(run(whole), fakeParts().parts);
  await transfer(run(out, { until: 'sharpness:0.0299' }), fakeParts().parts);
  const again = fakeParts();
  assert.is(await resumeTransfer({ folder: out, json: false }, again.parts), 0);
  assert.not.ok(again.heard.calls.includes('step'), 'what was reached stays reached');
  assert.is(await resumeTransfer({ folder: out, until: 'steps', json: false }, fakeParts().parts), 0);
  // The texts of a result name the option, so only what follows from the steps is compared.
  for (const name of ['log.jsonl', 'figures.jsonl']) assert.equal(linesOf(out, name), linesOf(whole, name));
  assert.equal([configOf(out).ended, configOf(out).stepsDone, configOf(out).options.until], [undefined, 95, undefined]);
});

test('--until plateau ends when the mean of four saves is not better than that of the four before', async () => {
  const out = newOut();
  assert.is(await transfer(run(out, { until: 'plateau' }, 900), fakeParts().parts), 0);
  const { stepsDone, ended } = configOf(out);
  assert.is(ended, 'nothing got better in 4 saves');
  // Sharpness grows by 0.01 a save: 0.04 between the means, a tenth of 0.4, the mean of 385 to 415 steps.
  assert.ok(stepsDone >= 450 && stepsDone <= 460, `${stepsDone}`);
});

test('a plateau is one of every figure: less colour distance, more structure, more sharpness are better', () => {
  const plateau = untilOf('plateau')!;
  const saves = (change: (i: number) => readonly [number, number, number]) =>
    Array.from({ length: 2 * PLATEAU_SAVES }, (_, i) => row(i, ...change(i)));
  assert.is(plateau(saves(() => [0.7, 5, 0.1]).slice(1)), undefined, 'too few saves');
  assert.is(plateau(saves(() => [0.7, 5, 0.1])), 'nothing got better in 4 saves');
  assert.is(plateau(saves((i) => [0.7, 5 - 0.1 * i, 0.1])), undefined);
  assert.is(plateau(saves((i) => [0.7 + 0.01 * i, 5, 0.1])), undefined);
  assert.is(plateau(saves((i) => [0.7, 5, 0.1 + 0.01 * i])), undefined);
  const ended = 'nothing got better in 4 saves';
  assert.is(plateau(saves((i) => [0.7 - 0.01 * i, 5 + 0.1 * i, 0.1 - 0.01 * i])), ended, 'all get worse');
  assert.is(plateau(saves((i) => [0.7, 5 - (i === 6 ? 0.3 : 0), 0.1])), ended, 'one lucky save');
});

test('several figures must be reached at one save', () => {
  const both = untilOf('structure:0.7, colour:5')!;
  assert.is(both([row(1, 0.8, 6, 0), row(2, 0.6, 4, 0)]), undefined);
  assert.is(both([row(1, 0.7, 5, 0)]), 'reached structure 0.700, colour 5.00');
  assert.is(both([]), undefined);
  assert.is(untilOf('steps'), undefined);
});

for (const text of ['', 'sharp:1', 'sharpness', 'sharpness:', 'sharpness:1.2.3', 'sharpness:-1', 'plateau,colour:1', 'colour:']) {
  test(`--until "${text}" is refused`, async () => {
    assert.throws(() => untilOf(text), /Give steps, plateau, or figures such as sharpness:0\.2 or structure:0\.7,colour:5/);
    const { code, stderr } = await runCli(['transfer', '--until', text]);
    assert.is(code, 2);
    assert.match(stderr, /--until/);
  });
}

test('a folder whose run has reached its figure is done; another figure continues it', async () => {
  const out = newOut();
  const ensured = async (until: string) => {
    const { parts, heard } = fakeParts();
    const said: string[] = [];
    const onOther = (setting: string): void => assert.unreachable(setting);
    await ensureTransfer(run(out, { until }), parts, { onOther, note: (text) => said.push(text) });
    return [heard.calls.filter((call) => call === 'step').length, ...said];
  };
  assert.equal(await ensured('sharpness:0.0299'), [35]);
  assert.equal(await ensured('sharpness:0.0299'), [0, 'done already']);
  assert.equal(await ensured('sharpness:0.0499'), [20, 'resuming']);
  assert.equal(await ensured('steps'), [45, 'resuming']);
});

test('damaged figures and a damaged option are refused by name', async () => {
  const out = await interruptedRun((folder, parts) => transfer(run(folder), parts), 33);
  writeFileSync(join(out, 'figures.jsonl'), '{"step":10,"struc');
  const { message } = await failure(resumeTransfer({ folder: out, json: false }, fakeParts().parts));
  assert.match(message, /figures\.jsonl is damaged in line 1: put the file back/);
  assert.equal((await openRunFolder(out, async () => false)).snapshot().figures, []);

  const config = configOf(out);
  writeFileSync(join(out, 'config.json'), JSON.stringify({ ...config, options: { ...config.options, until: 'luck' } }));
  const other = await failure(resumeTransfer({ folder: out, json: false }, fakeParts().parts));
  assert.match(other.message, /config\.json does not describe a run \(Give steps, plateau/);
});

test.run();
