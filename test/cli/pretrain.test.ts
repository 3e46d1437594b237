/** `pretrain` and `probe` from the command line, on pictures of a few pixels. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
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
const newOut = () => join(temporaryFolder(), 'out');
const train = (out: string, ...more: string[]) => splice(['pretrain', '--photos', photos, '--out', out, ...more]);
const resume = (out: string, ...more: string[]) => splice(['pretrain', '--resume', out, ...more]);
const logOf = (out: string) => readFileSync(join(out, 'log.jsonl'), 'utf8');
const vitOf = (out: string) => readFileSync(join(out, 'vit.safetensors'));

test('pretrain: weights, sidecar, log, curve, pictures and checkpoints; and the weights load', async () => {
  const out = newOut();
  const { code, stdout, stderr } = await train(out, ...small, '--epochs', '4', '--json');
  assert.is(code, 0, stderr);
  const summary = JSON.parse(stdout);
  assert.equal([summary.status, summary.stepsDone, summary.totalSteps, summary.result], ['finished', 12, 12, join(out, 'vit.safetensors')]);
  assert.equal(readdirSync(out).sort(), [
    'checkpoints', 'config.json', 'log.jsonl', 'losses.svg', 'previews', 'result.png', 'timings.jsonl', 'vit.json', 'vit.safetensors',
  ]);
  assert.equal(readdirSync(join(out, 'previews')), ['00000.png', '00003.png', '00006.png', '00009.png', '00012.png']);
  assert.equal(readdirSync(join(out, 'checkpoints')), ['00009.safetensors', '00012.safetensors']);
  const picture = await readImage(join(out, 'previews/00012.png'));
  assert.equal([picture.width, picture.height], [6 * 32, 64]);
  assert.equal(logOf(out).trimEnd().split('\n').map((line) => JSON.parse(line).step), [0, 10, 11]);
  assert.match(readFileSync(join(out, 'losses.svg'), 'utf8'), />entropy [\d.e-]+<\/text>/);
  const { vit } = await loadVit(join(out, 'vit.safetensors'));
  assert.equal([vit.config.dim, vit.config.heads, vit.config.image], [8, 1, 16]);
  assert.is(JSON.parse(readFileSync(join(out, 'config.json'), 'utf8')).status, 'finished');
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
  assert.match(JSON.parse(readFileSync(join(whole, 'vit.json'), 'utf8')).what, /^learned from teacher, 12 steps of 2 photos, seed 1$/);
  assert.equal(Object.keys(JSON.parse(logOf(whole).split('\n')[0]!)), ['step', 'loss', 'cls', 'keys', 'similarity', 'gradient']);
  const { vit } = await loadVit(join(whole, 'vit.safetensors'));
  assert.is(vit.config.dim, 8);

  const child = spawn(process.execPath, [MAIN, 'pretrain', '--photos', photos, '--out', out, '--teacher', teacher, ...model, '--save-every', '2'], { stdio: 'ignore' });
  const ended = new Promise((resolve) => child.on('exit', resolve));
  const log = join(out, 'log.jsonl');
  while (!(existsSync(log) && statSync(log).size > 0)) await new Promise((resolve) => setTimeout(resolve, 2));
  child.kill('SIGKILL');
  await ended;
  writeFileSync(teacher, shipped('dino_mini8.safetensors'));
  const other = await resume(out);
  assert.is(other.code, 1);
  assert.match(other.stderr, /teacher\.safetensors is not the teacher that the run in .* began with/);
  writeFileSync(teacher, shipped('untrained.safetensors'));
  assert.is((await resume(out)).code, 0);
  assert.is(logOf(out), logOf(whole));
  assert.equal(vitOf(out), vitOf(whole));

  const idle = await train(newOut(), '--teacher', teacher, '--prototypes', '16');
  assert.is(idle.code, 2);
  assert.match(idle.stderr, /--prototypes has no effect with --teacher: leave one of them out/);
});

test('pretrain: killed at any moment and resumed, the log is that of an undisturbed run', async () => {
  const run = [...small, '--epochs', '30', '--save-every', '7'];
  const undisturbed = newOut();
  assert.is((await train(undisturbed, ...run)).code, 0);
  const out = newOut();
  const child = spawn(process.execPath, [MAIN, 'pretrain', '--photos', photos, '--out', out, ...run], { stdio: 'ignore' });
  const ended = new Promise((resolve) => child.on('exit', (_, signal) => resolve(signal)));
  const log = join(out, 'log.jsonl');
  while (!(existsSync(log) && statSync(log).size > 250)) await new Promise((resolve) => setTimeout(resolve, 2));
  child.kill('SIGKILL');
  assert.is(await ended, 'SIGKILL');
  assert.ok(logOf(out).length < logOf(undisturbed).length);
  writeFileSync(log, logOf(out) + '{"step":9999,"lo'); // a line that was being written
  const { code, stderr } = await resume(out);
  assert.is(code, 0, stderr);
  assert.is(logOf(out), logOf(undisturbed));
  assert.equal(vitOf(out), vitOf(undisturbed));
});

test('pretrain: what is wrong is named in one line, and nothing is left behind', async () => {
  const refuses = async (args: string[], exit: number, text: RegExp): Promise<void> => {
    const { code, stderr } = await splice(['pretrain', ...args]);
    assert.is(code, exit, stderr);
    assert.match(stderr.trim().split('\n').at(-1)!, text);
  };
  const out = newOut();
  await refuses(['--photos', photos], 2, /required option '--out <dir>' not specified/);
  await refuses(['--photos', photos, '--out', out, '--heads', '5'], 2, /width of 128 is not divisible by 5 heads/);
  await refuses(['--photos', join(photos, 'nowhere'), '--out', out], 1, /nowhere does not exist: check the path/);
  await refuses(['--photos', photos, '--out', out, '--batch', '7'], 1, /6 photos are fewer than the 7 of one step: give more, or a smaller --batch/);
  await refuses(['--resume', out], 1, /out holds no run \(there is no .*config\.json\): give the --out folder of a run/);
  assert.not.ok(existsSync(out));
});

test('pretrain: an earlier run is kept unless told otherwise, and resumed only as it was', async () => {
  const [out, mine] = [newOut(), temporaryFolder()];
  for (const name of readdirSync(photos)) writeFileSync(join(mine, name), readFileSync(join(photos, name)));
  const start = () => splice(['pretrain', '--photos', mine, '--out', out, ...small, '--epochs', '1']);
  assert.is((await start()).code, 0);
  const again = await start();
  assert.is(again.code, 2);
  assert.match(again.stderr, /holds an earlier run .*: choose another --out, or --force to replace it, or --resume .*out to continue it/);
  for (const [name, value] of [['--dim', '16'], ['--epochs', '2'], ['--photos', mine]] as const) {
    const other = await resume(out, name, value);
    assert.is(other.code, 2);
    assert.match(other.stderr, new RegExp(`${name} cannot be given with --resume, which takes it from .*out: leave it out`));
  }
  rmSync(join(mine, readdirSync(mine)[0]!));
  const fewer = await resume(out);
  assert.is(fewer.code, 1);
  assert.match(fewer.stderr, /is not the set of photos that the run in .*out began with: put that one back/);
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
