/** `--strength`: pictures between the structure photo and the result, at a run's end and afterwards. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readImage, readImageText } from '../../cli/photos/photo.js';
import { blended, type Image } from '../../model/image.js';
import { writeInputs } from '../faults/runs.js';
import { runCli, temporaryFolder } from '../helpers/pictures.js';
import { configOf, json, newOut } from '../helpers/runs.js';

const pixel = (...rgb: number[]): Image => ({ width: 1, height: 1, data: Float32Array.from(rgb) });

test('0 is the first picture, 1 the second, and what lies beyond is clamped', () => {
  const [a, b] = [pixel(0.5, 0.25, 0), pixel(1, 0.5, 0.5)];
  assert.equal([0, 1, 0.5, 1.5].map((share) => [...blended(a, b, share).data]),
    [[0.5, 0.25, 0], [1, 0.5, 0.5], [0.75, 0.375, 0.25], [1, 0.625, 0.75]]);
  assert.throws(() => blended(a, { width: 2, height: 1, data: new Float32Array(6) }, 0.5), /1x1 and 2x1 pixels/);
});

test('a finished run gets pictures of other strengths without a step', async () => {
  const out = newOut();
  const made = await runCli([...(await writeInputs('transfer', temporaryFolder())), '--strength', '0,1', '--out', out]);
  assert.is(made.code, 0, made.stderr);
  const { stepsDone, structure, strength } = configOf(out);
  assert.equal(strength, [0, 1]);
  const resumed = await runCli(['transfer', '--resume', out, '--strength', '0,0.5,1.5']);
  assert.is(resumed.code, 0, resumed.stderr);
  assert.equal([configOf(out).stepsDone, configOf(out).strength], [stepsDone, [0, 0.5, 1.5]]);
  assert.equal(readdirSync(join(out, 'strength')).sort(), ['0.5.png', '0.png', '1.5.png']);
  assert.equal(await readImage(join(out, 'strength/0.png')), await readImage(structure.path), 'the photo itself');
  const half = blended(await readImage(structure.path), await readImage(join(out, 'result.png')), 0.5);
  const found = await readImage(join(out, 'strength/0.5.png'));
  assert.ok(found.data.every((v, i) => Math.abs(v - half.data[i]!) <= 1.01 / 255), 'one level apart at most, by rounding');
  assert.is((await readImageText(join(out, 'strength/0.5.png')))['Strength'], '0.5');
  const figures = json(join(out, 'report.json')).strength;
  assert.equal(figures.map(({ strength: each }: any) => each), [0, 0.5, 1.5]);
  assert.ok(Math.abs(figures[0].structure - 1) < 1e-9);
});

test.run();
