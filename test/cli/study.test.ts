/** The commands that look into a ViT, through the real command line: what they write, keep and refuse. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { drawWall } from '../../cli/study/figures/wall.js';
import { readImage, readImageText } from '../../cli/photos/photo.js';
import { redBlue, splice, temporaryFile, temporaryFolder } from '../helpers/pictures.js';

const photo = temporaryFile('photo.png', await redBlue(72, 48).png().toBuffer());
const out = temporaryFolder();
const small = ['--vit-size', '32', '--height', '48'];

test('pca: a sheet with a row per facet and a column per layer', async () => {
  const path = join(out, 'deep/pca.png');
  const { code, stdout, stderr } = await splice(['pca', photo, '--facets', 'keys,tokens', '--layers', '0,3', '--out', path, '--json', ...small]);
  assert.is(code, 0, stderr);
  const facts = JSON.parse(stdout);
  assert.equal([facts.out, facts.layers, facts.facets, facts.models[0].name], [path, [0, 3], ['keys', 'tokens'], 'vit_mini8']);
  const { width, height } = await readImage(path);
  assert.ok(width > 3 * 72 && height > 2 * 48);
  assert.match((await readImageText(path))['Title']!, /PCA of vit_mini8/);
});

test('attention: a column per head', async () => {
  const path = join(out, 'attention.png');
  const { code, stdout, stderr } = await splice(['attention', photo, '--out', path, '--json', ...small]);
  assert.is(code, 0, stderr);
  assert.equal([JSON.parse(stdout).heads, JSON.parse(stdout).layers], [4, [5]]);
  assert.ok((await readImage(path)).width > 6 * 72);
});

test('invert: layers by repeats, each with its seed and loss', async () => {
  const path = join(out, 'invert.png');
  const { code, stdout, stderr } = await splice(['invert', photo, '--facet', 'cls', '--layers', '1,3', '--repeats', '2', '--with', 'pixels', '--steps', '3', '--out', path, '--json', ...small]);
  assert.is(code, 0, stderr);
  const { inversions, noise, status } = JSON.parse(stdout);
  assert.equal(inversions.map(({ layer, seed }: { layer: number; seed: number }) => [layer, seed]), [[1, 1], [1, 2], [3, 1], [3, 2]]);
  assert.ok(inversions.every(({ loss }: { loss: number }) => loss > 0));
  assert.equal([noise, status], [false, 'finished']);
  assert.match(stderr, /12\/12 layer 3, 2 of 2, loss/);
});

test('figures: made once, then kept; without a second model there is nothing to compare', async () => {
  const folder = join(out, 'figures');
  const args = ['figures', '--quick', '--only', 'augmentations,pca-models', '--out', folder, '--json'];
  const first = await splice(args);
  assert.is(first.code, 0, first.stderr);
  const statuses = (text: string): string[] => JSON.parse(text).figures.map(({ status }: { status: string }) => status);
  assert.equal(statuses(first.stdout), ['made', 'left out']);
  assert.equal(readdirSync(folder), ['augmentations.png']);
  const { mtimeMs } = statSync(join(folder, 'augmentations.png'));
  const second = await splice(args);
  assert.equal(statuses(second.stdout), ['kept', 'left out']);
  assert.is(statSync(join(folder, 'augmentations.png')).mtimeMs, mtimeMs);
});

const wrong: readonly (readonly [string, readonly string[], RegExp])[] = [
  ['no PNG', ['pca', photo, '--out', join(out, 'x.jpg')], /--out .*x\.jpg' is invalid\. Give a name that ends in \.png: the sheet is a PNG/],
  ['no such layer', ['pca', photo, '--layers', '6', '--out', join(out, 'x.png')], /--layers 6: vit_mini8 has layers 0 to 5/],
  ['no such facet', ['pca', photo, '--facets', 'keys,hats', '--out', join(out, 'x.png')], /Give some of queries, keys, values, tokens/],
  ['input below two patches', ['attention', photo, '--vit-size', '8', '--out', join(out, 'x.png')], /--vit-size 8 .*16/],
  ['noise for pixels', ['invert', photo, '--with', 'pixels', '--noise', '--out', join(out, 'x.png')], /--noise: pixels have no input/],
  ['no such figure', ['figures', '--only', 'hats', '--out', join(out, 'none')], /--only hats: figures are augmentations, /],
  ['a photo without its pair', ['figures', photo, '--out', join(out, 'none')], /1 photos are given: give structure and appearance in turn/],
];
for (const [name, args, line] of wrong) {
  test(`wrong usage: ${name}`, async () => {
    const { code, stderr } = await splice(args);
    assert.is(code, 2, stderr);
    assert.match(stderr.trim().split('\n').at(-1)!, line);
    assert.not(existsSync(join(out, 'x.png')) || existsSync(join(out, 'none')));
  });
}

test('too small for the published network: the remedy is said', async () => {
  const { code, stderr } = await splice(['invert', photo, '--out', join(out, 'x.png'), '--vit-size', '32']);
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
