/** `pretrain` and `probe` from the command line, on pictures of a few pixels. */
import { spawn } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { packageRoot } from '../../cli/shared/files.js';
import { readImage } from '../../cli/photos/photo.js';
import { loadVit } from '../../cli/models/load.js';
import { redBlue, runCli, splice, temporaryFolder } from '../helpers/pictures.js';
import { configOf, json, linesOf, loggedSteps, newOut } from '../helpers/runs.js';

const MAIN = fileURLToPath(new URL('../../cli/bin.js', import.meta.url));
const photos = temporaryFolder();
for (const [i, size] of [[20, 24], [24, 20], [30, 30], [40, 22], [22, 40], [26, 26]].entries()) {
  writeFileSync(join(photos, `${i}.png`), await redBlue(size[0]!, size[1]!).png().toBuffer());
}
const tiny = '--dim 8 --depth 1 --heads 1 --image-size 16 --batch 2 --warmup-epochs 0'.split(' ');
const small = [...tiny, ...'--local-size 8 --locals 1 --head-hidden 8 --bottleneck 8 --prototypes 16'.split(' ')];
const train = (out: string, ...more: string[]) => splice(['pretrain', '--photos', photos, '--out', out, ...more]);
const resume = (out: string) => splice(['pretrain', '--resume', out]);
const logOf = (out: string) => readFileSync(join(out, 'log.jsonl'), 'utf8');
const vitOf = (out: string) => readFileSync(join(out, 'vit.safetensors'));

const shipped = (name: string): Buffer => readFileSync(join(packageRoot, 'model/weights', name));

/** A ViT of 4 blocks of 64 with 4 heads, in a file of its own. */
function newTeacher(): string {
  const file = join(temporaryFolder(), 'teacher.safetensors');
  writeFileSync(file, shipped('untrained.safetensors'));
  writeFileSync(file.replace(/safetensors$/, 'json'), shipped('untrained.json'));
  return file;
}

/** Starts a training and kills it when its log has more than `bytes`. */
async function killed(out: string, bytes: number, ...more: string[]): Promise<void> {
  const args = [MAIN, 'pretrain', '--photos', photos, '--out', out, ...more];
  const child = spawn(process.execPath, args, { stdio: 'ignore' });
  const ended = new Promise((resolve) => child.on('exit', (_, signal) => resolve(signal)));
  const log = join(out, 'log.jsonl');
  while (!(existsSync(log) && statSync(log).size > bytes)) await sleep(2);
  child.kill('SIGKILL');
  assert.is(await ended, 'SIGKILL');
}

test('pretrain: weights, sidecar, log, curve, pictures and checkpoints; and the weights load', async () => {
  const out = newOut();
  const { code, stdout, stderr } = await train(out, ...small, '--epochs', '4', '--json');
  assert.is(code, 0, stderr);
  const summary = JSON.parse(stdout);
  const { status, stepsDone, totalSteps, result } = summary;
  assert.equal([status, stepsDone, totalSteps, result], ['finished', 12, 12, join(out, 'vit.safetensors')]);
  assert.equal(readdirSync(out).sort(), [
    'checkpoints', 'config.json', 'log.jsonl', 'losses.svg', 'previews', 'result.png', 'timings.jsonl', 'vit.json',
    'vit.safetensors',
  ]);
  assert.equal(readdirSync(join(out, 'previews')), ['00000.png', '00003.png', '00006.png', '00009.png', '00012.png']);
  assert.equal(readdirSync(join(out, 'checkpoints')), ['00009.safetensors', '00012.safetensors']);
  const picture = await readImage(join(out, 'previews/00012.png'));
  assert.equal([picture.width, picture.height], [6 * 32, 64]);
  assert.equal(loggedSteps(out), [0, 10, 11]);
  assert.match(readFileSync(join(out, 'losses.svg'), 'utf8'), />entropy [\d.e-]+<\/text>/);
  const { vit } = await loadVit(join(out, 'vit.safetensors'));
  assert.equal([vit.config.dim, vit.config.heads, vit.config.image], [8, 1, 16]);
  assert.is(configOf(out).status, 'finished');
});

test('pretrain: with a teacher, and resumed with the same one only', async () => {
  const [whole, out] = [newOut(), newOut()];
  const teacher = newTeacher();
  const run = ['--teacher', teacher, ...tiny, '--other-sizes', '24', '--epochs', '4'];
  const finished = await train(whole, ...run);
  assert.is(finished.code, 0, finished.stderr);
  assert.is(json(join(whole, 'vit.json')).what, 'learned from teacher, 12 steps of 2 photos, seed 1');
  assert.equal(Object.keys(linesOf(whole)[0]), ['step', 'loss', 'cls', 'keys', 'similarity', 'gradient']);
  const { vit } = await loadVit(join(whole, 'vit.safetensors'));
  assert.is(vit.config.dim, 8);

  await killed(out, 0, ...run, '--save-every', '2');
  const config = readFileSync(join(out, 'config.json'), 'utf8');
  writeFileSync(join(out, 'config.json'), config.replace(/"otherSizes": \[\s*24/, '"otherSizes": ["x"'));
  assert.match((await resume(out)).stderr, /config\.json does not describe a run \(options\.otherSizes is \["x"\]\)/);
  writeFileSync(join(out, 'config.json'), config.replace(/"globalScale": \[[^\]]*\]/, '"globalScale": null'));
  assert.match((await resume(out)).stderr, /config\.json does not describe a run \(options\.globalScale is null\)/);
  writeFileSync(join(out, 'config.json'), config);
  writeFileSync(teacher, shipped('dino_mini8.safetensors'));
  const other = await resume(out);
  assert.is(other.code, 1);
  assert.match(other.stderr, /teacher\.safetensors is not the teacher that the run in .* began with/);
  writeFileSync(teacher, shipped('untrained.safetensors'));
  assert.is((await resume(out)).code, 0);
  assert.is(logOf(out), logOf(whole));
  assert.equal(vitOf(out), vitOf(whole));
});

test('pretrain: --init teacher begins with blocks of the teacher, also a run that is resumed without a checkpoint', async () => {
  const teacher = newTeacher();
  const like = '--dim 64 --heads 4 --depth 2 --image-size 16 --batch 2 --warmup-epochs 0 --epochs 1 --init teacher'.split(' ');
  const refuses = async (args: string[], text: RegExp): Promise<void> => {
    const out = newOut();
    const { code, stderr } = await train(out, ...like, ...args);
    assert.is(code, 2, stderr);
    assert.match(stderr.trim().split('\n').at(-1)!, text);
    assert.not(existsSync(out));
  };
  await refuses([], /--init teacher has no effect without --teacher/);
  await refuses(['--teacher', teacher, '--heads', '2'],
    /--init teacher: .*teacher\.safetensors: its blocks are 64 wide with 4 heads: give --dim 64 --heads 4$/);

  const out = newOut();
  const { code, stderr } = await train(out, '--teacher', teacher, ...like);
  assert.is(code, 0, stderr);
  const [vit, config] = [vitOf(out), configOf(out)];
  assert.is(config.pretrain.init, 'teacher');
  rmSync(join(out, 'checkpoints'), { recursive: true });
  writeFileSync(join(out, 'config.json'), JSON.stringify({ ...config, status: 'running' }));
  assert.is((await resume(out)).code, 0);
  assert.equal(vitOf(out), vit);
  rmSync(join(out, 'checkpoints'), { recursive: true });
  const random = { ...config, status: 'running', pretrain: { ...config.pretrain, init: null } };
  writeFileSync(join(out, 'config.json'), JSON.stringify(random));
  assert.match((await resume(out)).stderr, /config\.json does not have the initial weights that the run began with/);
});

test('pretrain: killed at any moment and resumed, the log is that of an undisturbed run', async () => {
  const run = [...small, '--epochs', '30', '--save-every', '7'];
  const undisturbed = newOut();
  assert.is((await train(undisturbed, ...run)).code, 0);
  const out = newOut();
  await killed(out, 250, ...run);
  assert.ok(logOf(out).length < logOf(undisturbed).length);
  appendFileSync(join(out, 'log.jsonl'), '{"step":9999,"lo'); // a line that was being written
  const { code, stderr } = await resume(out);
  assert.is(code, 0, stderr);
  assert.is(logOf(out), logOf(undisturbed));
  assert.equal(vitOf(out), vitOf(undisturbed));
});

test('pretrain: wrong input is named in one line, and nothing is left', async () => {
  const refuses = async (args: string[], exit: number, text: RegExp): Promise<void> => {
    const { code, stderr } = await runCli(['pretrain', ...args]);
    assert.is(code, exit, stderr);
    assert.match(stderr.trim().split('\n').at(-1)!, text);
  };
  const out = newOut();
  await refuses(['--photos', photos, '--out', out, '--heads', '5'], 2, /width of 128 is not divisible by 5 heads/);
  await refuses(['--photos', join(photos, 'nowhere'), '--out', out], 1, /nowhere does not exist: check the path/);
  const few = /6 photos are fewer than the 7 of one step: give more, or a smaller --batch/;
  await refuses(['--photos', photos, '--out', out, '--batch', '7'], 1, few);
  assert.not.ok(existsSync(out));
});

test('pretrain: a training is not resumed with other photos', async () => {
  const [out, mine] = [newOut(), temporaryFolder()];
  for (const name of readdirSync(photos)) writeFileSync(join(mine, name), readFileSync(join(photos, name)));
  assert.is((await splice(['pretrain', '--photos', mine, '--out', out, ...small, '--epochs', '1'])).code, 0);
  rmSync(join(mine, readdirSync(mine)[0]!));
  const fewer = await resume(out);
  assert.is(fewer.code, 1);
  assert.match(fewer.stderr, /is not the set of photos that the run in .*out began with: put that one back/);
});

test('probe: figures of two classes', async () => {
  const classes = temporaryFolder();
  for (const [name, hue] of [['red', 0], ['blue', 180]] as const) {
    mkdirSync(join(classes, name));
    for (let i = 0; i < 4; i++) {
      const picture = redBlue(30 + i, 30).modulate({ hue: hue + 5 * i });
      writeFileSync(join(classes, name, `${i}.png`), await picture.png().toBuffer());
    }
  }
  const probe = (folder: string, ...more: string[]) =>
    splice(['probe', '--model', 'untrained', '--photos', folder, '--scenes', '0', ...more]);
  const { code, stdout, stderr } = await probe(classes, '--grid', '4', '--neighbours', '3', '--json');
  assert.is(code, 0, stderr);
  const [row] = JSON.parse(stdout);
  assert.equal([row.model, row.neighbours, row.object], ['untrained', 1, undefined]);
  const wrong = await probe(join(classes, 'red'));
  assert.is(wrong.code, 1);
  assert.match(wrong.stderr, /red has 0 subfolders of photos: a class each, at least two, are needed/);
});

test.run();
