/** `pretrain` and `probe` from the command line, on pictures of a few pixels. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { packageRoot } from '../../cli/shared/files.js';
import { readImage } from '../../cli/photos/photo.js';
import { loadVit } from '../../cli/models/load.js';
import { redBlue, splice, temporaryFolder } from '../helpers/pictures.js';

const MAIN = fileURLToPath(new URL('../../cli/bin.js', import.meta.url));
const photos = temporaryFolder();
for (const [i, size] of [[20, 24], [24, 20], [30, 30], [40, 22], [22, 40], [26, 26]].entries()) {
  writeFileSync(join(photos, `${i}.png`), await redBlue(size[0]!, size[1]!).png().toBuffer());
}
const small = ['--dim', '8', '--depth', '1', '--heads', '1', '--image-size', '16', '--local-size', '8', '--locals', '1', '--batch', '2', '--head-hidden', '8', '--bottleneck', '8', '--prototypes', '16', '--warmup-epochs', '0'];
const newOut = () => join(temporaryFolder(), 'vit.safetensors');
const train = (out: string, ...more: string[]) => splice(['pretrain', '--photos', photos, '--out', out, ...more]);
const logOf = (out: string) => readFileSync(join(out.replace('.safetensors', '.run'), 'log.jsonl'), 'utf8');

test('pretrain: weights, sidecar, log, pictures and state; and the weights load', async () => {
  const out = newOut();
  const { code, stdout, stderr } = await train(out, ...small, '--epochs', '4', '--json');
  assert.is(code, 0, stderr);
  assert.equal((({ status, stepsDone, totalSteps }) => [status, stepsDone, totalSteps])(JSON.parse(stdout)), ['finished', 12, 12]);
  const folder = out.replace('.safetensors', '.run');
  assert.equal(readdirSync(folder).sort(), ['config.json', 'log.jsonl', 'pca', 'state.safetensors']);
  assert.equal(readdirSync(join(folder, 'pca')), [0, 1, 2, 3, 4].map((n) => `epoch-000${n}.png`));
  const picture = await readImage(join(folder, 'pca/epoch-0004.png'));
  assert.equal([picture.width, picture.height], [6 * 32, 64]);
  assert.equal(logOf(out).trimEnd().split('\n').map((line) => JSON.parse(line).step), [0, 10, 11]);
  const { vit } = await loadVit(out);
  assert.equal([vit.config.dim, vit.config.heads, vit.config.image], [8, 1, 16]);
  assert.is(JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')).status, 'finished');
});

test('pretrain: from another ViT, resumed with that one only', async () => {
  const model = ['--dim', '8', '--depth', '1', '--heads', '1', '--image-size', '16', '--batch', '2', '--warmup-epochs', '0', '--epochs', '4'];
  const [whole, out] = [newOut(), newOut()];
  const folder = temporaryFolder();
  const teacher = join(folder, 'teacher.safetensors');
  const shipped = (name: string): Buffer => readFileSync(join(packageRoot, 'model/weights', name));
  writeFileSync(teacher, shipped('untrained.safetensors'));
  writeFileSync(join(folder, 'teacher.json'), shipped('untrained.json'));
  const finished = await train(whole, '--teacher', teacher, ...model);
  assert.is(finished.code, 0, finished.stderr);
  assert.match(JSON.parse(readFileSync(whole.replace('.safetensors', '.json'), 'utf8')).what, /^learned from teacher, 12 steps of 2 photos, seed 1$/);
  assert.equal(Object.keys(JSON.parse(logOf(whole).split('\n')[0]!)), ['step', 'loss', 'cls', 'keys', 'similarity', 'gradient']);
  const { vit } = await loadVit(whole);
  assert.is(vit.config.dim, 8);

  const child = spawn(process.execPath, [MAIN, 'pretrain', '--photos', photos, '--out', out, '--teacher', teacher, ...model, '--save-every', '2'], { stdio: 'ignore' });
  const ended = new Promise((resolve) => child.on('exit', resolve));
  const log = join(out.replace('.safetensors', '.run'), 'log.jsonl');
  while (!(existsSync(log) && statSync(log).size > 0)) await new Promise((resolve) => setTimeout(resolve, 2));
  child.kill('SIGKILL');
  await ended;
  writeFileSync(teacher, shipped('dino_mini8.safetensors'));
  const other = await train(out, '--resume');
  assert.is(other.code, 1);
  assert.match(other.stderr, /teacher\.safetensors is not the teacher the run began with/);
  writeFileSync(teacher, shipped('untrained.safetensors'));
  assert.is((await train(out, '--resume')).code, 0);
  assert.is(logOf(out), logOf(whole));
  assert.equal(readFileSync(out), readFileSync(whole));

  const idle = await train(newOut(), '--teacher', teacher, '--prototypes', '16');
  assert.is(idle.code, 2);
  assert.match(idle.stderr, /--prototypes plays no part where there is a --teacher: leave one of them out/);
});

test('pretrain: killed at any moment and resumed, the log is that of an undisturbed run', async () => {
  const run = [...small, '--epochs', '30', '--save-every', '7'];
  const undisturbed = newOut();
  assert.is((await train(undisturbed, ...run)).code, 0);
  const out = newOut();
  const child = spawn(process.execPath, [MAIN, 'pretrain', '--photos', photos, '--out', out, ...run], { stdio: 'ignore' });
  const ended = new Promise((resolve) => child.on('exit', (_, signal) => resolve(signal)));
  const log = join(out.replace('.safetensors', '.run'), 'log.jsonl');
  while (!(existsSync(log) && statSync(log).size > 250)) await new Promise((resolve) => setTimeout(resolve, 2));
  child.kill('SIGKILL');
  assert.is(await ended, 'SIGKILL');
  assert.ok(logOf(out).length < logOf(undisturbed).length);
  writeFileSync(log, logOf(out) + '{"step":9999,"lo'); // a line that was being written
  const { code, stderr } = await train(out, '--resume');
  assert.is(code, 0, stderr);
  assert.is(logOf(out), logOf(undisturbed));
  assert.equal(readFileSync(out), readFileSync(undisturbed));
});

test('pretrain: what is wrong is named in one line, and nothing is left behind', async () => {
  const refuses = async (args: string[], exit: number, text: RegExp): Promise<void> => {
    const { code, stderr } = await splice(['pretrain', ...args]);
    assert.is(code, exit, stderr);
    assert.match(stderr.trim().split('\n').at(-1)!, text);
  };
  const out = newOut();
  await refuses(['--photos', photos, '--out', 'vit.pth'], 2, /--out vit\.pth must end in \.safetensors/);
  await refuses(['--photos', photos, '--out', out, '--heads', '5'], 2, /width of 128 is not divisible by 5 heads/);
  await refuses(['--photos', join(photos, 'nowhere'), '--out', out], 1, /nowhere does not exist: check the path/);
  await refuses(['--photos', photos, '--out', out, '--batch', '7'], 1, /6 photos are fewer than the 7 of one step: give more, or a smaller --batch/);
  await refuses(['--photos', photos, '--out', out, '--resume'], 1, /nothing to resume: .*state\.safetensors does not exist/);
  assert.not.ok(existsSync(out.replace('.safetensors', '.run')));
});

test('pretrain: an earlier run is kept unless told otherwise, and resumed only as it was', async () => {
  const out = newOut();
  assert.is((await train(out, ...small, '--epochs', '1')).code, 0);
  const again = await train(out, ...small, '--epochs', '1');
  assert.is(again.code, 2);
  assert.match(again.stderr, /is of an earlier run: --resume continues it, --force replaces it/);
  const other = await train(out, '--resume', '--dim', '16');
  assert.is(other.code, 2);
  assert.match(other.stderr, /the run to resume has dim 8, not 16: leave the option out/);
  mkdirSync(join(temporaryFolder(), 'more'));
  const fewer = temporaryFolder();
  for (const name of readdirSync(photos).slice(1)) writeFileSync(join(fewer, name), readFileSync(join(photos, name)));
  const elsewhere = await splice(['pretrain', '--photos', fewer, '--out', out, '--resume']);
  assert.is(elsewhere.code, 1);
  assert.match(elsewhere.stderr, /the photos are not those the run began with/);
});

test('probe: figures of two classes', async () => {
  const classes = temporaryFolder();
  for (const [name, hue] of [['red', 0], ['blue', 180]] as const) {
    mkdirSync(join(classes, name));
    for (let i = 0; i < 4; i++) writeFileSync(join(classes, name, `${i}.png`), await redBlue(30 + i, 30).modulate({ hue: hue + 5 * i }).png().toBuffer());
  }
  const { code, stdout, stderr } = await splice(['probe', '--model', 'untrained', '--photos', classes, '--scenes', '0', '--grid', '4', '--neighbours', '3', '--json']);
  assert.is(code, 0, stderr);
  const [row] = JSON.parse(stdout);
  assert.equal([row.model, row.neighbours, row.object], ['untrained', 1, undefined]);
  const wrong = await splice(['probe', '--model', 'untrained', '--photos', join(classes, 'red'), '--scenes', '0']);
  assert.is(wrong.code, 1);
  assert.match(wrong.stderr, /red has 0 subfolders of photos: a class each, at least two, are needed/);
});

test.run();
