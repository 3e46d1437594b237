/** `apply` by its command line: any size, in strips or at once, and nothing is replaced by accident. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readImage, readImageText } from '../../cli/photos/photo.js';
import { random } from '../../model/random.js';
import { recipes } from '../../model/method/recipes.js';
import { serializeSafetensors } from '../../model/files/safetensors.js';
import { redBlue, runCli, temporaryFile, temporaryFolder } from '../helpers/pictures.js';

const run = temporaryFolder();
const { generator, initialWeights } = recipes['splice-transfer'];
const generatorFile = (folder: string, weights: Parameters<typeof serializeSafetensors>[0], recipe: string): void =>
  writeFileSync(join(folder, 'generator.safetensors'), serializeSafetensors(weights, { recipe }));
generatorFile(run, initialWeights(generator(), random(1)), 'splice-transfer');
const photo = temporaryFile('photo.png', await redBlue(75, 60).png().toBuffer());
const out = join(temporaryFolder(), 'deep/out');
const args = ['apply', '--generator', run, '--out', out, '--json', '--image', photo];

test('apply: a picture of the photo\'s size that names its generator; strips give the same', async () => {
  const once = await runCli(args);
  assert.is(once.code, 0, once.stderr);
  const [result] = JSON.parse(once.stdout).results;
  assert.equal([result.size, result.inStrips, result.result], [[75, 60], false, join(out, 'photo.png')]);
  assert.match((await readImageText(result.result))['Generator SHA-256']!, /^[0-9a-f]{64}$/);
  const whole = await readImage(result.result);

  const again = await runCli(args);
  assert.is(again.code, 2);
  assert.match(again.stderr, /photo\.png exists: choose another --out, or --force/);

  const strips = await runCli([...args, '--force', '--memory', '1']);
  assert.is(strips.code, 0, strips.stderr);
  assert.is(JSON.parse(strips.stdout).results[0].inStrips, true);
  const tiled = await readImage(result.result);
  assert.ok(tiled.data.every((v, i) => Math.abs(v - whole.data[i]!) <= 1 / 255 + 1e-6), 'one level apart at most, by rounding');
});

test('apply: a larger photo is painted at the size of the training and gets detail', async () => {
  const folder = temporaryFolder();
  const weights = initialWeights(generator(), random(1));
  const metadata = { recipe: 'splice-transfer', structureSize: '50x40' };
  writeFileSync(join(folder, 'generator.safetensors'), serializeSafetensors(weights, metadata));
  const results = async (...more: string[]) => {
    const { code, stdout, stderr } = await runCli([...args, '--generator', folder, '--force', ...more]);
    assert.is(code, 0, stderr);
    return JSON.parse(stdout).results[0];
  };
  const { size, detail, result } = await results();
  assert.equal([size, detail.from, detail.texture], [[75, 60], [50, 40], 0], 'its appearance photo is not known');
  assert.equal(JSON.parse((await readImageText(result))['Detail']!), detail);
  assert.equal((await results('--detail', '0')).size, [50, 40]);
  assert.equal((await results('--size', 'full')).detail, null);
  assert.equal((await results('--upscale', '2')).size, [100, 80]);
});

test('apply: a problem is one line that names it', async () => {
  const applied = (folder: string, ...photos: string[]) =>
    runCli(['apply', '--generator', folder, '--image', ...photos, '--out', out]);
  const nothing = await applied(temporaryFolder(), photo);
  assert.is(nothing.code, 1);
  assert.match(nothing.stderr, /generator\.safetensors does not exist: check the path\n$/);
  const other = temporaryFolder();
  generatorFile(other, new Map([['a', { shape: [1], data: new Float32Array(1) }]]), 'splice');
  const refused = (await applied(other, photo)).stderr;
  assert.match(refused, /is not a generator of this program \(it lacks scale\.0\.skip\.conv\.weight, .* more\)/);
  assert.match(refused, /: give the folder of a transfer\n$/);
  assert.match((await applied(run, photo, photo)).stderr, /another photo has the same name/);
});

test.run();
