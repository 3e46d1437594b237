/** `pretrain --init`: the weights that a run began with, and what a resume asks of them. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { sha256 } from '../../cli/shared/files.js';
import { temporaryFile } from '../helpers/pictures.js';
import { assertSameContents, configOf, contents, failure, interruptedRun, newOut } from '../helpers/runs.js';
import { model, trainingParts, trainings, undisturbed, writeConfig } from '../helpers/trainings.js';

const [,, pretraining] = trainings;
const whole = await undisturbed(pretraining);

test('a pretraining with --init is resumed without that file, which must be there at first', async () => {
  const init = temporaryFile('init.safetensors', readFileSync(model));
  const out = await interruptedRun((to, parts) => pretraining.start(to, parts, { init }), 9, trainingParts);
  rmSync(init);
  assert.is(await pretraining.resume({ folder: out, json: false }, trainingParts().parts), 0);
  assertSameContents(out, whole);
  const missing = await failure(pretraining.start(newOut(), trainingParts().parts, { init }));
  assert.match(missing.message, /init\.safetensors does not exist/);
});

test('a pretraining that was killed before its first checkpoint begins with the same --init only', async () => {
  const init = temporaryFile('init.safetensors', readFileSync(model));
  const out = await interruptedRun((to, parts) => pretraining.start(to, parts, { init }), 2, trainingParts);
  rmSync(join(out, 'checkpoints'), { recursive: true });
  const { resumed: _, ...config } = configOf(out);
  writeConfig(out, { ...config, status: 'running' });
  const other = readFileSync(model);
  other[other.length - 1]! ^= 1;
  writeFileSync(init, other);
  const before = contents(out);
  const resume = () => pretraining.resume({ folder: out, json: false }, trainingParts().parts);
  const remedy = 'put that one back, or start a new run with another --out';
  assert.is((await failure(resume())).message, `${init} is not the initial weights that the run in ${out} began with: ${remedy}`);
  assert.equal(contents(out), before, 'nothing is touched');
  writeConfig(out, { ...config, status: 'running', init: { path: init, sha256: sha256(other) } });
  assert.match((await failure(resume())).message, /config\.json does not have the initial weights that the run began with/);
  writeConfig(out, { ...config, status: 'running' });
  writeFileSync(init, readFileSync(model));
  assert.is(await resume(), 0);
  assertSameContents(out, whole);
});

test.run();
