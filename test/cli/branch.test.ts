/** `transfer --from RUN@STEP`: with the same options the same bytes, with others a run that says where it came from. */
import { existsSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { difference, leftIn, results, writeInputs } from '../faults/runs.js';
import { redBlue, runCli, temporaryFolder } from '../helpers/pictures.js';
import { configOf, linesOf, newOut } from '../helpers/runs.js';

const folder = temporaryFolder();
const args = await writeInputs('transfer', folder);
const run = join(folder, 'run');

/** What stderr's last line says of a command that must fail. */
async function refusal(...words: string[]): Promise<string> {
  const { code, stderr } = await runCli(['transfer', ...words]);
  assert.is.not(code, 0);
  return stderr.trim().split('\n').at(-1)!;
}

test('a run keeps the checkpoints of --keep-every beside the newest two', async () => {
  const { code, stderr } = await runCli([...args, '--keep-every', '4', '--out', run]);
  assert.is(code, 0, stderr);
  assert.equal(readdirSync(join(run, 'kept')).sort(), ['00004.safetensors', '00008.safetensors']);
  assert.is(readdirSync(join(run, 'checkpoints')).length, 2);
});

test('a branch without other options ends in the same bytes', async () => {
  for (const at of [`${run}@4`, run]) {
    const out = newOut();
    const { code, stderr } = await runCli(['transfer', '--from', at, '--out', out]);
    assert.is(code, 0, stderr);
    assert.is(difference(results(out), results(run)), undefined, at);
    assert.equal(leftIn(out), []);
  }
});

test('a branch has the options that it is given, and records where it came from', async () => {
  const out = newOut();
  const words = ['--from', `${run}@4`, '--set', 'lambda-texture=3', '--set', 'ema=0', '--lr', '0.001', '--steps', '13'];
  const { code, stderr } = await runCli(['transfer', ...words, '--out', out]);
  assert.is(code, 0, stderr);
  const { branch, options, stepsDone } = configOf(out);
  assert.equal(branch, { from: run, step: 4, set: { lambdaTexture: 3, ema: 0, lr: 0.001, steps: 13 } });
  assert.equal([options.lambdaTexture, options.ema ?? 0, options.lr, options.steps, stepsDone], [3, 0, 0.001, 13, 13]);
  assert.equal([options.lambdaPatches, options.warmStart, options.size], [4, 2, 40]);
  assert.equal(linesOf(out).map((line) => 'texture' in line), [false, true, true]);
  const again = await runCli(['transfer', '--resume', out, '--steps', '15']);
  assert.is(again.code, 0, again.stderr);
  assert.equal(configOf(out).branch, branch);
});

test('a step, a run or an option that cannot be is one line, and nothing is made', async () => {
  const out = newOut();
  assert.match(await refusal('--from', `${run}@5`, '--out', out), /no checkpoint after 5 steps, but after 4, 8, 10, 11: choose/);
  assert.match(await refusal('--from', join(folder, 'none'), '--out', out), /none holds no run .*config\.json/);
  const unknown = await refusal('--from', `${run}@4`, '--set', 'colour=3', '--out', out);
  assert.match(unknown, /--set colour=3: transfer has no such option/);
  assert.match(await refusal('--from', `${run}@4`, '--set', 'lr=fast', '--out', out), /'--lr <rate>' argument 'fast' is invalid/);
  assert.match(await refusal('--from', `${run}@4`, '--seeds', '2', '--out', out), /--seeds cannot be given with --from/);
  assert.match(await refusal('--from', `${run}@8`, '--steps', '6', '--out', out), /--steps 6 is below the 8 steps/);
  assert.match(await refusal('--from', `${run}@4`, '--out', run, '--force'), /config\.json would be replaced/);
  assert.match(await refusal('--from', `${run}@4`), /required option '--out <dir>'/);
  assert.match(await refusal('--set', 'lr=1', ...args.slice(1), '--out', out), /--set needs --from/);
  const odd = await refusal(...args.slice(1), '--keep-every', '3', '--out', out);
  assert.match(odd, /--keep-every 3 is no multiple of --save-every 2/);
  assert.not(existsSync(out));
});

test('a photo that is another now is refused, unless it is given', async () => {
  const [photo, other] = [join(folder, 'structure.png'), join(folder, 'appearance.png')];
  renameSync(photo, `${photo}.before`);
  writeFileSync(photo, await redBlue(90, 90).png().toBuffer());
  const line = await refusal('--from', `${run}@4`, '--out', newOut());
  assert.match(line, /structure\.png is not the structure photo that the run .* or give --structure/);
  const given = await runCli(['transfer', '--from', `${run}@8`, '--structure', other, '--out', newOut()]);
  assert.is(given.code, 0, given.stderr);
  renameSync(`${photo}.before`, photo);
});

test.run();
