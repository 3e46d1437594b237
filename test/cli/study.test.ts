/** The commands that look into a ViT, by their command lines: the files they write, keep and refuse. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { drawWall } from '../../cli/study/figures/wall.js';
import { readImage, readImageText } from '../../cli/photos/photo.js';
import { redBlue, runCli, temporaryFile, temporaryFolder } from '../helpers/pictures.js';

const photo = temporaryFile('photo.png', await redBlue(72, 48).png().toBuffer());
const out = temporaryFolder();
const small = ['--vit-size', '32', '--height', '48'];

test('pca: a sheet with a row per facet and a column per layer', async () => {
  const path = join(out, 'deep/pca.png');
  const args = ['--facets', 'keys,tokens', '--layers', '0,3', '--out', path, '--json'];
  const { code, stdout, stderr } = await runCli(['pca', photo, ...args, ...small]);
  assert.is(code, 0, stderr);
  const facts = JSON.parse(stdout);
  assert.equal([facts.out, facts.layers, facts.facets, facts.models[0].name], [path, [0, 3], ['keys', 'tokens'], 'vit_mini8']);
  const { width, height } = await readImage(path);
  assert.ok(width > 3 * 72 && height > 2 * 48);
  assert.match((await readImageText(path))['Title']!, /PCA of keys and tokens: vit_mini8/);
});

test('pca: several models of one layer are columns, of several layers rows', async () => {
  const sizeOf = async (layers: string): Promise<number[]> => {
    const path = join(out, `models-${layers}.png`);
    const args = ['--model', 'vit_mini8,untrained', '--layers', layers, '--out', path];
    const { code, stderr } = await runCli(['pca', photo, photo, ...args, ...small]);
    assert.is(code, 0, stderr);
    const { width, height } = await readImage(path);
    return [Math.floor(width / 72), Math.floor(height / 48)];
  };
  const [one, two] = [await sizeOf('2'), await sizeOf('2,3')];
  assert.ok(one[0]! >= 3 && two[0]! >= 3 && two[1]! >= one[1]! + 2, `${one} and ${two}`);
});

test('pca: test-time registers are looked for, and a ViT without outliers says so; given ones are used', async () => {
  const args = (registers: string): string[] =>
    ['pca', photo, '--model', 'untrained', '--test-time-registers', registers, '--out', join(out, 'registers.png'), ...small];
  const searched = await runCli(args('2'));
  assert.is(searched.code, 0, searched.stderr);
  assert.match(searched.stderr, /note: no patch of untrained stands out \(the longest token has \d\.\d medians\): it stays/);
  const given = await runCli(args('0:3,1:5'));
  assert.is(given.code, 0, given.stderr);
  assert.match((await readImageText(join(out, 'registers.png')))['Title']!, /untrained with test-time registers/);
  const wrong = await runCli(args('3:1'));
  assert.is(wrong.code, 2);
  assert.match(wrong.stderr, /--test-time-registers 3:1: untrained cannot have them: the register neuron 3:1 does not exist/);
});

test('attention: a column per head', async () => {
  const path = join(out, 'attention.png');
  const { code, stdout, stderr } = await runCli(['attention', photo, '--out', path, '--json', ...small]);
  assert.is(code, 0, stderr);
  assert.equal([JSON.parse(stdout).heads, JSON.parse(stdout).layers], [3, [3]]);
  assert.ok((await readImage(path)).width > 5 * 72);
});

test('invert: facets and layers by repeats, each with its seed and loss', async () => {
  const path = join(out, 'invert.png');
  const args = ['--facet', 'keys,cls', '--layers', '1,3', '--repeats', '2', '--generator', 'unet', '--noise', '--steps', '2'];
  const { code, stdout, stderr } = await runCli(['invert', photo, ...args, '--out', path, '--json', '--vit-size', '48']);
  assert.is(code, 0, stderr);
  const facts = JSON.parse(stdout);
  const inversions: Record<string, number>[] = facts.inversions;
  const found = inversions.map(({ facet, layer, seed }) => [facet, layer, seed]);
  assert.equal(found, ['keys', 'cls'].flatMap((facet) => [[facet, 1, 1], [facet, 1, 2], [facet, 3, 1], [facet, 3, 2]]));
  assert.ok(inversions.every(({ loss, sharpness, colour }) => loss! > 0 && sharpness! > 0 && colour! > 0));
  assert.equal([facts.noise, facts.status], [true, 'finished']);
  assert.match(stderr, /16\/16 cls of layer 3, 2 of 2, loss/);
});

test('figures: made once, then kept; without a second model there is no comparison', async () => {
  const made = join(out, 'figures');
  const args = ['figures', '--quick', '--only', 'augmentations,pca-models', '--out', made, '--json'];
  const first = await runCli(args);
  assert.is(first.code, 0, first.stderr);
  const statuses = (text: string): string[] => JSON.parse(text).figures.map(({ status }: { status: string }) => status);
  assert.equal(statuses(first.stdout), ['made', 'left out']);
  assert.equal(readdirSync(made), ['augmentations.png']);
  const { mtimeMs } = statSync(join(made, 'augmentations.png'));
  const second = await runCli(args);
  assert.equal(statuses(second.stdout), ['kept', 'left out']);
  assert.is(statSync(join(made, 'augmentations.png')).mtimeMs, mtimeMs);
});

test('sheet: pictures in rows under their headings', async () => {
  const path = join(out, 'sheet/two.png');
  const args = ['--columns', 'a,b', '--rows', 'first,second', '--title', 'Two', '--height', '48', '--out', path];
  const { code, stdout, stderr } = await runCli(['sheet', photo, photo, photo, photo, ...args]);
  assert.equal([code, stdout], [0, `${path}\n`], stderr);
  const { width, height } = await readImage(path);
  assert.ok(width > 2 * 72 && width < 4 * 72 && height > 2 * 48, `${width} x ${height}`);
  assert.is((await readImageText(path))['Title'], 'Two');
});

const sheet = ['--out', join(out, 'x.png')];
const folder = ['--out', join(out, 'none')];
const wrong: readonly (readonly [string, readonly string[], RegExp])[] = [
  ['a sheet that is not a PNG', ['pca', photo, '--out', join(out, 'x.jpg')],
    /--out .*x\.jpg' is invalid\. Give a name that ends in \.png: the sheet is a PNG/],
  ['an unknown layer', ['pca', photo, '--layers', '4', ...sheet], /--layers 4: vit_mini8 has layers 0 to 3/],
  ['an unknown facet', ['pca', photo, '--facets', 'keys,hats', ...sheet], /Give some of queries, keys, values, tokens/],
  ['input below two patches', ['attention', photo, '--vit-size', '8', ...sheet], /--vit-size 8 .*16/],
  ['noise for pixels', ['invert', photo, '--with', 'pixels', '--noise', ...sheet], /--noise: pixels have no input/],
  ['headings that do not fit', ['sheet', photo, '--columns', 'a,b', ...sheet], /--columns: 2 headings for 1 columns/],
  ['rows that do not fit', ['sheet', photo, photo, photo, '--rows', 'a,b', ...sheet], /--rows: 3 pictures cannot fill 2 rows/],
  ['an unknown figure', ['figures', '--only', 'hats', ...folder], /--only hats: figures are augmentations, /],
  ['a photo without its pair', ['figures', photo, ...folder], /1 photos are given: give structure and appearance in turn/],
];
for (const [name, args, line] of wrong) {
  test(`wrong usage: ${name}`, async () => {
    const { code, stderr } = await runCli(args);
    assert.is(code, 2, stderr);
    assert.match(stderr.trim().split('\n').at(-1)!, line);
    assert.not(existsSync(join(out, 'x.png')) || existsSync(join(out, 'none')));
  });
}

test('an input too small for the published network is refused with a remedy', async () => {
  const { code, stderr } = await runCli(['invert', photo, '--out', join(out, 'x.png'), '--vit-size', '32']);
  assert.is(code, 1);
  assert.match(stderr, /photo at --vit-size 32: the skip network needs one side above 64 pixels.*larger --vit-size/);
});

test('the wall is bricks and mortar, the same each time', () => {
  const [wall, again] = [drawWall(60, 40), drawWall(60, 40)];
  assert.equal(wall.data, again.data);
  assert.ok(wall.data.every((v) => v >= 0 && v <= 1));
  const [red, blue] = [wall.data.subarray(0, 2400), wall.data.subarray(4800)];
  const bricks = red.reduce((count, r, i) => count + Number(r > blue[i]! + 0.2), 0);
  assert.ok(bricks > 1400 && bricks < 2200, `${bricks} of 2400 pixels`);
});

test.run();
