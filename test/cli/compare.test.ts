/** `compare` by its command line. */
import { basename, dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { scenePath } from '../../cli/demo/files.js';
import { readImage, writeImage } from '../../cli/photos/photo.js';
import { runCli, temporaryFolder } from '../helpers/pictures.js';

const folder = temporaryFolder();
const [structure, appearance, result] = [join(folder, 'valley.png'), join(folder, 'peaks.png'), join(folder, 'result.png')];
await writeImage(structure, await readImage(scenePath('valley'), { shorterSide: 64 }));
await writeImage(appearance, await readImage(scenePath('peaks'), { shorterSide: 64 }));
await writeImage(result, await readImage(structure));
const pair = ['compare', '--structure', structure, '--appearance', appearance];

test('compare: a table with both trivial results, and without a judge no figures of a ViT', async () => {
  const { code, stdout, stderr } = await runCli([...pair, result]);
  assert.is(code, 0, stderr);
  const lines = stdout.split('\n');
  assert.match(lines[0]!, /^ +structure +colour +patches +leak +sharpness$/);
  assert.match(lines[1]!, /^structure itself +1\.000 .* 0\.00 +1\.00$/);
  assert.match(lines[2]!, /^appearance itself .* 0\.00 +0\.00 /);
  assert.match(lines[3]!, /result\.png +1\.000/);
  assert.match(stderr, /no --judge/);
});

test('compare: --json with a judge; a result that was trained with it is marked', async () => {
  const { code, stdout, stderr } = await runCli([...pair, '--judge', 'untrained', '--vit-size', '64', '--json', result]);
  assert.is(code, 0, stderr);
  const { judge, match, baselines, results } = JSON.parse(stdout);
  assert.equal([judge.name, judge.vitSize, baselines.length, results.length], ['untrained', 64, 2, 1]);
  const [{ path, figures, trainedByJudge }] = results;
  assert.equal([path, figures.selfSimilarity, figures.segments, trainedByJudge], [result, 0, 1, false]);
  assert.ok(match > 0 && baselines[1].figures.cls > 0.999);
  await writeImage(result, await readImage(structure), { 'Model SHA-256': judge.sha256 });
  const marked = await runCli([...pair, '--judge', 'untrained', '--vit-size', '64', result]);
  assert.match(marked.stdout, /result\.png \* .*\n[^]*flatter it/);
});

test('compare: a result with detail is marked, and the picture without it is judged beside it', async () => {
  const [result, trained] = [join(temporaryFolder(), 'result.png'), 'trained.png'];
  const detail = { amount: 1, from: [32, 16], to: [64, 32] };
  await writeImage(result, await readImage(structure), { Detail: JSON.stringify(detail) });
  await writeImage(join(dirname(result), trained), await readImage(appearance));
  const { stdout } = await runCli([...pair, result]);
  const rows = stdout.split('\n').slice(3, 5);
  assert.match(rows[0]!, /result\.png \+ +1\.000/);
  assert.match(rows[1]!, /trained\.png +0\./);
  assert.match(stdout, /\n\+ detail of the photos was added after the training\n/);
  const { results } = JSON.parse((await runCli([...pair, '--json', result, join(dirname(result), trained)])).stdout);
  assert.equal(results.map(({ path, detail: found }: any) => [basename(path), found]), [['result.png', detail], [trained, null]]);
});

test('compare: a problem is one line that names it', async () => {
  const missing = await runCli([...pair, join(folder, 'none.png')]);
  assert.is(missing.code, 1);
  assert.match(missing.stderr, /none\.png does not exist: check the path\n$/);
  assert.is((await runCli(pair)).code, 2);
  const small = await runCli([...pair, '--judge', 'untrained', '--vit-size', '8', result]);
  assert.is(small.code, 2);
  assert.match(small.stderr, /--vit-size 8 is below 16/);
});

test.run();
