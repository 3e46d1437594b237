/** `apply` through the real command line: any size, in strips or at once, and nothing replaced by accident. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readImage, readImageText } from '../../cli/photos/photo.js';
import { random } from '../../model/random.js';
import { recipes } from '../../model/method/recipes.js';
import { serializeSafetensors } from '../../model/files/safetensors.js';
import { redBlue, splice, temporaryFile, temporaryFolder } from '../helpers/pictures.js';

const run = temporaryFolder();
const { generator, initialWeights } = recipes['splice-transfer'];
writeFileSync(join(run, 'generator.safetensors'), serializeSafetensors(initialWeights(generator(), random(1)), { recipe: 'splice-transfer' }));
const photo = temporaryFile('photo.png', await redBlue(75, 60).png().toBuffer());
const out = join(temporaryFolder(), 'deep/out');
const args = ['apply', '--generator', run, '--out', out, '--json', '--image', photo];

test('apply: a picture of the photo\'s size that says where it comes from; strips give the same', async () => {
  const once = await splice(args);
  assert.is(once.code, 0, once.stderr);
  const [result] = JSON.parse(once.stdout).results;
  assert.equal([result.size, result.inStrips, result.result], [[75, 60], false, join(out, 'photo.png')]);
  assert.match((await readImageText(result.result))['Generator SHA-256']!, /^[0-9a-f]{64}$/);
  const whole = await readImage(result.result);

  const again = await splice(args);
  assert.is(again.code, 2);
  assert.match(again.stderr, /photo\.png exists: choose another --out, or --force/);

  const strips = await splice([...args, '--force', '--memory', '1']);
  assert.is(strips.code, 0, strips.stderr);
  assert.is(JSON.parse(strips.stdout).results[0].inStrips, true);
  const tiled = await readImage(result.result);
  assert.ok(tiled.data.every((v, i) => Math.abs(v - whole.data[i]!) <= 1 / 255 + 1e-6), 'one level apart at most, by rounding');
});

test('apply: what is wrong is named in one line', async () => {
  const nothing = await splice(['apply', '--generator', temporaryFolder(), '--image', photo, '--out', out]);
  assert.is(nothing.code, 1);
  assert.match(nothing.stderr, /generator\.safetensors does not exist: check the path\n$/);
  const other = temporaryFolder();
  writeFileSync(join(other, 'generator.safetensors'), serializeSafetensors(new Map([['a', { shape: [1], data: new Float32Array(1) }]]), { recipe: 'splice' }));
  assert.match((await splice(['apply', '--generator', other, '--image', photo, '--out', out])).stderr, /is not a generator of this program \(it lacks scale\.0\.skip\.conv\.weight, .* more\): give the folder of a transfer\n$/);
  assert.match((await splice(['apply', '--generator', run, '--image', photo, photo, '--out', out])).stderr, /another photo of this name/);
});

test.run();
