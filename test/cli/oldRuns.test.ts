/** Runs that version 0.1 began. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeCheckpoint, readCheckpoint } from '../../cli/run/checkpoints.js';
import { temporaryFolder } from '../helpers/pictures.js';
import { assertSameContents, configOf, failure } from '../helpers/runs.js';
import { checkpoints, interrupted, trainingParts, trainings, undisturbed, viewed, writeConfig } from '../helpers/trainings.js';

const [transferring, training, pretraining] = trainings;

/** Rewrites checkpoints as version 0.1 wrote them: settings in the order of the options, and in `train` with steps of 0. */
async function likeBefore(out: string, settings: object): Promise<void> {
  for (const name of checkpoints(out)) {
    const path = join(out, 'checkpoints', name);
    const checkpoint = await readCheckpoint(path);
    const identity = { ...checkpoint.identity, settings: JSON.stringify(settings) };
    writeFileSync(path, encodeCheckpoint({ ...checkpoint, identity }));
  }
}

test('a transfer of version 0.1 is viewed and resumed', async () => {
  const out = await interrupted(transferring, 9);
  const { command: _, plan: __, page: ___, ...config } = configOf(out);
  const { detail: ____, upscale: _____, outputSize: ______, ...options } = config.options;
  const { steps, saveEvery, size, ...splice } = options;
  await likeBefore(out, { ...splice, size });
  writeConfig(out, { ...config, options });
  const { about, state } = await viewed(out);
  assert.equal([about.title, about.goOn], ['structure as appearance', `splice-gpu transfer --resume ${out}`]);
  assert.equal([state.done, state.total, steps, saveEvery], [13, 28, 24, 6]);
  assert.is(await transferring.resume({ folder: out, json: false }, trainingParts().parts), 0);
  assertSameContents(out, await undisturbed(transferring));
});

test('a training on many pairs of version 0.1 is viewed and resumed', async () => {
  const out = await interrupted(training, 9);
  const { command: _, plan: __, page: ___, train: { anyPair, ...rest }, ...config } = configOf(out);
  const { holdOut: held, validateEvery, shown } = rest;
  await likeBefore(out, { ...anyPair, steps: 0, held, validateEvery, shown });
  const train = { ...rest, out, force: false, json: false, general: anyPair };
  writeConfig(out, { ...config, kind: 'general generator', train });
  const { about, state } = await viewed(out);
  assert.equal([about.goOn, state.total], [`splice-gpu train --resume ${out}`, 28]);
  assert.is(await training.resume({ folder: out, json: false }, trainingParts().parts), 0);
  assertSameContents(out, await undisturbed(training));
});

test('a pretraining of version 0.1 is refused in one line, and a single pass has nothing to resume', async () => {
  const out = temporaryFolder();
  writeConfig(out, { program: 'splice-gpu', version: '0.1.0', photosSha256: 'ab', options: {}, status: 'interrupted' });
  const old = await failure(pretraining.resume({ folder: out, json: false }, trainingParts().parts));
  const refusal = /holds a pretraining of version 0\.1, which this version cannot resume: start a new one, with --init/;
  assert.match(old.message, refusal);
  for (const config of [{ kind: 'applied generator' }, { command: 'transfer --generator' }]) {
    writeConfig(out, config);
    const error = await failure(transferring.resume({ folder: out, json: false }, trainingParts().parts));
    assert.match(error.message, /config\.json does not describe a training: give the --out folder of a transfer run/);
  }
});

test.run();
