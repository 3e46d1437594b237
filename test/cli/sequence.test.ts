/** Sequences on the command line: a folder of frames in place of the structure photo, and frames that `apply` paints. */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readImage } from '../../cli/photos/photo.js';
import { writeInputs } from '../faults/runs.js';
import { redBlue, runCli, temporaryFolder } from '../helpers/pictures.js';
import { configOf, linesOf, newOut } from '../helpers/runs.js';

const folder = temporaryFolder();
const words = await writeInputs('transfer', folder);
const frames = join(folder, 'frames');
/** In the order of their numbers, not of their letters. */
const NAMES = ['shot-2.png', 'shot-9.png', 'shot-10.png'];
mkdirSync(frames);
for (const [i, name] of NAMES.entries()) {
  writeFileSync(join(frames, name), await redBlue(60, 50).modulate({ hue: 40 * i }).png().toBuffer());
}
/** The command line, with another structure. */
const transfer = (structure: string, ...more: string[]) =>
  runCli([...words.map((word, i) => (words[i - 1] === '--structure' ? structure : word)), ...more]);
const bytes = (out: string, name: string): string => readFileSync(join(out, name)).toString('base64');

test('a folder of frames: one generator, a picture of each, an animation; what is missing is made again', async () => {
  const out = newOut();
  const { code, stderr } = await transfer(frames, '--detail', '0.5', '--out', out);
  assert.is(code, 0, stderr);
  assert.equal(readdirSync(join(out, 'frames')).sort(), [...NAMES].sort());
  const { structure, frames: recorded, options } = configOf(out);
  assert.equal([structure.path, recorded.path, recorded.count], [join(frames, NAMES[0]!), frames, 3]);
  assert.is(options.lambdaStill, 20);
  assert.ok(linesOf(out).at(-1).still > 0);
  assert.equal(await readImage(join(out, 'frames', NAMES[0]!)), await readImage(join(out, 'result.png')));
  const { pages, width, height } = await sharp(join(out, 'frames.webp'), { pages: -1 }).metadata();
  assert.equal([pages, width, height], [3, 60, 3 * 50]);

  const before = ['frames/shot-9.png', 'frames.webp'].map((name) => bytes(out, name));
  rmSync(join(out, 'frames/shot-9.png'));
  rmSync(join(out, 'frames.webp'));
  const resumed = await runCli(['transfer', '--resume', out]);
  assert.is(resumed.code, 0, resumed.stderr);
  assert.equal(['frames/shot-9.png', 'frames.webp'].map((name) => bytes(out, name)), before);

  copyFileSync(join(frames, NAMES[1]!), join(folder, 'kept.png'));
  copyFileSync(join(frames, NAMES[2]!), join(frames, NAMES[1]!));
  const other = await runCli(['transfer', '--resume', out]);
  assert.match(other.stderr, /frames is not the frames that the run in .* began with: put that one back/);
  copyFileSync(join(folder, 'kept.png'), join(frames, NAMES[1]!));

  const painted = join(temporaryFolder(), 'painted');
  const apply = ['apply', '--generator', out, '--image', frames, '--out', painted, '--json'];
  const results = async () => JSON.parse((await runCli(apply)).stdout).results;
  assert.equal((await results()).map(({ result }: any) => result), NAMES.map((name) => join(painted, name)));
  const whole = bytes(painted, NAMES[1]!);
  rmSync(join(painted, NAMES[1]!));
  assert.equal((await results()).map(({ kept }: any) => kept ?? false), [true, false, true]);
  assert.is(bytes(painted, NAMES[1]!), whole);
  copyFileSync(join(folder, 'kept.png'), join(painted, NAMES[1]!));
  assert.match((await runCli(apply)).stderr, /shot-9\.png exists: choose another --out, or --force to replace it/);
});

test('a folder that is no sequence is one line with the file and the remedy', async () => {
  const refusal = async (files: Readonly<Record<string, Buffer>>, ...more: string[]): Promise<string> => {
    const at = temporaryFolder();
    for (const [name, content] of Object.entries(files)) writeFileSync(join(at, name), content);
    const { code, stderr } = await transfer(at, '--out', newOut(), ...more);
    assert.ok(code === 1 || code === 2);
    return stderr;
  };
  const [png, other] = [await redBlue(60, 50).png().toBuffer(), await redBlue(50, 60).png().toBuffer()];
  assert.match(await refusal({}), /holds no photos \(PNG, JPEG, WebP or AVIF\): give another folder/);
  assert.match(await refusal({ 'a1.png': png }), /holds a single picture: give that file, or a folder of two or more frames/);
  assert.match(await refusal({ 'a1.png': png, 'a2.png': png.subarray(0, 90) }), /a2\.png is a damaged or truncated PNG.*copy or/);
  const sizes = /a2\.png has 50 x 60 pixels, but .*a1\.png has 60 x 50: give all frames one size/;
  assert.match(await refusal({ 'a1.png': png, 'a2.png': other }), sizes);
  assert.match(await refusal({ 'a1.png': png, 'a1.jpg': png }), /a1\.(png|jpg): another frame has the same name: remove one/);
  const regions = /--structure-regions labels one photo, not a folder: leave one out/;
  const both = ['--structure-regions', 'x.png', '--appearance-regions', 'x.png'];
  assert.match(await refusal({ 'a1.png': png, 'a2.png': png }, ...both), regions);
});

test.run();
