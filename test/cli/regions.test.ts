/** Label images on the command line: what a run does with them, records of them, and says about those that do not fit. */
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readLabels } from '../../cli/photos/labels.js';
import { readImageText } from '../../cli/photos/photo.js';
import { difference, results, writeInputs } from '../faults/runs.js';
import { redBlue, runCli, temporaryFile, temporaryFolder } from '../helpers/pictures.js';
import { configOf, newOut } from '../helpers/runs.js';

const folder = temporaryFolder();
const args = await writeInputs('transfer', folder);
const at = (name: string): string => join(folder, name);

/** A PNG with two colours side by side, and below them a strip of others, [red, green, blue, alpha]. */
async function labels(width: number, height: number, ...parts: readonly (readonly number[])[]): Promise<Buffer> {
  const [left, right, strip = left] = parts as [number[], number[], number[]?];
  const pixels = Uint8Array.from({ length: 4 * width * height }, (_, i) => {
    const [x, y, c] = [Math.floor(i / 4) % width, Math.floor(i / 4 / width), i % 4];
    return (y > 0.9 * height ? strip : x < width / 2 ? left : right)[c]!;
  });
  return sharp(pixels, { raw: { width, height, channels: 4 } }).png().toBuffer();
}

const [RED, BLUE, BLACK, CLEAR] = [[255, 0, 0, 255], [0, 0, 255, 255], [0, 0, 0, 255], [9, 200, 9, 0]];
writeFileSync(at('a.png'), await labels(88, 80, RED!, BLUE!, BLACK));
writeFileSync(at('b.png'), await labels(21, 21, BLUE!, RED!, CLEAR));
writeFileSync(at('second.png'), await redBlue(44, 60).modulate({ hue: 90 }).png().toBuffer());
const both = ['--structure-regions', at('a.png'), '--appearance-regions', at('b.png')];

/** What stderr's last line says of a transfer that must fail. */
async function refusal(...words: string[]): Promise<string> {
  const out = newOut();
  const { code, stderr } = await runCli([...args, ...words, '--out', out]);
  assert.is.not(code, 0);
  assert.not(existsSync(out));
  return stderr.trim().split('\n').at(-1)!;
}

test('colours are regions; black, transparent and rare ones are none', async () => {
  const { colours, width, height, pixels } = await readLabels(at('a.png'));
  assert.equal([colours, width, height], [[0x0000ff, 0xff0000], 88, 80]);
  assert.equal([pixels[0], pixels[87], pixels.at(-1)], [0xff0000, 0x0000ff, 0]);
  assert.is((await readLabels(at('b.png'))).pixels.at(-1), 0);
  const soft = await labels(100, 100, RED!, BLUE!);
  const raw = await sharp(soft).raw().toBuffer();
  raw.set([7, 7, 7, 255], 0);
  const path = temporaryFile('soft.png', await sharp(raw, { raw: { width: 100, height: 100, channels: 4 } }).png().toBuffer());
  assert.equal([(await readLabels(path)).colours, (await readLabels(path)).pixels[0]], [[0x0000ff, 0xff0000], 0]);
});

test('a run with regions differs from one without, records them, and is resumed with the same files only', async () => {
  const [plain, out, again] = [newOut(), newOut(), newOut()];
  for (const [to, ...words] of [[plain], [out, ...both], [again, ...both]] as const) {
    const { code, stderr } = await runCli([...args, ...words, '--out', to]);
    assert.is(code, 0, stderr);
  }
  assert.is(difference(results(out), results(again)), undefined);
  assert.is.not(difference(results(out), results(plain)), undefined);
  const { structureRegions, appearanceRegions, identity } = configOf(out);
  const { path, size, colours } = structureRegions;
  assert.equal([path, size, colours], [at('a.png'), [88, 80], ['blue', 'red']]);
  assert.equal([appearanceRegions.path, appearanceRegions.size], [at('b.png'), [21, 21]]);
  assert.is(identity['structure regions'], structureRegions.sha256);
  const settings = JSON.parse((await readImageText(join(out, 'result.png')))['Settings']!);
  assert.equal([settings.structureRegions, settings.appearanceRegions], [structureRegions.sha256, appearanceRegions.sha256]);
  assert.not('structureRegions' in JSON.parse((await readImageText(join(plain, 'result.png')))['Settings']!));
  const photos = ['--structure', at('structure.png'), '--appearance', at('appearance.png')];
  const { regions } = JSON.parse(readFileSync(join(out, 'report.json'), 'utf8'));
  assert.equal(Object.keys(regions.result), ['blue', 'red']);
  assert.not('regions' in JSON.parse(readFileSync(join(plain, 'report.json'), 'utf8')));
  const compared = ['compare', ...photos, join(out, 'result.png')];
  const [own] = JSON.parse((await runCli([...compared, '--json', ...both])).stdout).regions;
  assert.equal(own, { name: 'structure itself', regions: regions.structure }, 'compare has the figures of report.json');
  assert.match((await runCli([...compared, ...both])).stdout, /\ncolour of +blue +red\nstructure itself +\d+\.\d\d/);
  const half = await runCli([...compared, ...both.slice(2)]);
  assert.match(half.stderr, /--appearance-regions needs --structure-regions: give a label image for each photo/);
  const verified = ['verify', join(out, 'result.png'), ...photos, '--model', at('vit.safetensors')];
  const checked = await runCli([...verified, ...both]);
  assert.match(checked.stdout, /regions: .* is the one\nappearance regions: .* is the one\n[^]*losses: the same to the last/);
  const bare = await runCli(verified);
  assert.match(bare.stdout, /structure regions: not given \(--structure-regions\)[^]*losses: not repeated, without the right/);
  copyFileSync(at('b.png'), at('b.kept.png'));
  writeFileSync(at('b.png'), await labels(21, 21, BLUE!, RED!, RED));
  const other = await runCli(['transfer', '--resume', out, '--steps', '12']);
  assert.match(other.stderr, /b\.png is not the appearance regions that the run in .* began with: put that one back/);
  copyFileSync(at('b.kept.png'), at('b.png'));
  const resumed = await runCli(['transfer', '--resume', out, '--steps', '12']);
  assert.is(resumed.code, 0, resumed.stderr);
});

test('an appearance photo for each region', async () => {
  const out = newOut();
  const words = [...args];
  words[words.indexOf('--appearance') + 1] = `sky:blue=${at('appearance.png')}`;
  const looks = ['--appearance', `#FF0000=${at('second.png')}`];
  const { code, stderr } = await runCli([...words, ...looks, '--structure-regions', at('a.png'), '--out', out]);
  assert.is(code, 0, stderr);
  const { looks: recorded, identity, appearance } = configOf(out);
  assert.equal(recorded.map(({ name, colour, path }: any) => [name, colour, path]), [
    ['sky', 'blue', at('appearance.png')], [undefined, 'red', at('second.png')],
  ]);
  assert.equal([appearance.path, identity['colours of regions']], [at('appearance.png'), 'blue red']);
  const resumed = await runCli(['transfer', '--resume', out, '--steps', '13']);
  assert.is(resumed.code, 0, resumed.stderr);
  assert.is(configOf(out).looks[1].path, at('second.png'));
});

/** Overlap of two regions, given as whether pixels belong to them. */
const overlap = (a: readonly boolean[], b: readonly boolean[]): number =>
  a.filter((is, i) => is && b[i]).length / a.filter((is, i) => is || b[i]).length;

test('regions proposes one colour for what two photos share, which transfer takes', async () => {
  const out = newOut();
  const [left, right] = [at('left.png'), at('right.png')];
  writeFileSync(left, await redBlue(96, 64).png().toBuffer());
  writeFileSync(right, await redBlue(64, 64).flop().png().toBuffer());
  const words = ['regions', left, right, '--model', at('vit.safetensors'), '--vit-size', '64', '--count', '2'];
  const { code, stdout, stderr } = await runCli([...words, '--out', out, '--json']);
  assert.is(code, 0, stderr);
  assert.equal(JSON.parse(stdout).regions, ['red', 'green']);
  const [a, b] = [await readLabels(join(out, 'structure.png')), await readLabels(join(out, 'appearance.png'))];
  assert.equal([a.width, a.height, b.width, b.height], [96, 64, 64, 64]);
  const own = a.pixels[32 * 96 + 10]!;
  const isLeft = [...a.pixels].map((_, i) => i % 96 < 48);
  const isRight = [...b.pixels].map((_, i) => i % 64 >= 32);
  assert.ok(overlap([...a.pixels].map((colour) => colour === own), isLeft) > 0.8, 'the red half of the first');
  assert.ok(overlap([...b.pixels].map((colour) => colour === own), isRight) > 0.8, 'is the red half of the second');
  assert.match((await runCli([...words, '--out', out])).stderr, /structure\.png exists, perhaps corrected by hand: give --force/);
  const lone = await runCli(['regions', left, '--out', newOut()]);
  assert.match(lone.stderr, /regions takes two photos, structure and appearance: 1 are given/);
});

test('label images that do not fit are one line', async () => {
  const [tall, lone, dark] = [at('tall.png'), at('lone.png'), at('dark.png')];
  writeFileSync(tall, await labels(50, 80, RED!, BLUE!));
  writeFileSync(lone, await labels(42, 42, RED!, RED!));
  writeFileSync(dark, await labels(88, 80, BLACK!, CLEAR!));
  const withA = (...words: string[]): Promise<string> => refusal('--structure-regions', ...words);
  assert.match(await withA(tall, ...both.slice(2)), /tall\.png has 50 x 80 pixels, but its photo .*structure\.png 88 x 80: give/);
  const alone = await withA(at('a.png'), '--appearance-regions', lone);
  assert.match(alone, /a\.png has the region blue, which .*lone\.png lacks: paint its partner blue there/);
  assert.match(await withA(dark, ...both.slice(2)), /dark\.png labels nothing: paint every region in one colour/);
  assert.match(await withA(at('none.png'), ...both.slice(2)), /none\.png/);
  writeFileSync(at('photo.jpg'), await redBlue(88, 80).jpeg().toBuffer());
  assert.match(await withA(at('photo.jpg'), ...both.slice(2)), /photo\.jpg is not a PNG but JPEG: save label images as PNG/);
  writeFileSync(at('cut.png'), (await labels(88, 80, RED!, BLUE!)).subarray(0, 150));
  assert.match(await withA(at('cut.png'), ...both.slice(2)), /cut\.png is a damaged or oversized PNG/);
  const photo = await withA(at('structure.png'), ...both.slice(2));
  assert.match(photo, /structure\.png has \d+ colours: at most 24 regions are taken, paint each/);
  writeFileSync(at('small.png'), await labels(88, 80, RED!, RED!, BLUE!));
  const small = await withA(at('small.png'), ...both.slice(2));
  assert.match(small, /small\.png: the region blue is smaller than a patch of the ViT, of which the photo has 2 x 2: paint/);
});

test('options that lack each other are one line', async () => {
  assert.match(await refusal(...both.slice(2)), /--appearance-regions needs --structure-regions/);
  assert.match(await refusal(...both.slice(0, 2)), /--appearance .*appearance\.png names no region's colour: give --/);
  const words = [...args];
  words[words.indexOf('--appearance') + 1] = `red=${at('appearance.png')}`;
  const bare = await runCli([...words, ...both.slice(0, 2), '--out', newOut()]);
  assert.match(bare.stderr, /a\.png has the region blue, for which there is no appearance photo: give --appearance blue=FILE/);
  const unused = ['--appearance', `blue=${at('second.png')}`, '--appearance', `#123456=${at('second.png')}`];
  const more = await runCli([...words, ...unused, ...both.slice(0, 2), '--out', newOut()]);
  assert.match(more.stderr, /second\.png is for the region #123456, which .*a\.png lacks: it has blue, red/);
});

test.run();
