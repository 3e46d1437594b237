/** Everything that trainings have in common, each case over all three: what they keep, refuse, survive and say. */
import { existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeCheckpoint, readCheckpoint } from '../../cli/run/checkpoints.js';
import { TRAININGS } from '../../cli/run/config.js';
import { InputError, NonFiniteError, UsageError } from '../../cli/shared/errors.js';
import { openRunFolder } from '../../cli/view/folder.js';
import { DeviceLostError } from '../../engine/index.js';
import { temporaryFolder } from '../helpers/pictures.js';
import { changeConfig, trainingParts, trainings, type ShortTraining } from '../helpers/trainings.js';

const json = (path: string) => JSON.parse(readFileSync(path, 'utf8'));
const newOut = () => join(temporaryFolder(), 'out');
const configOf = (out: string) => json(join(out, 'config.json'));
const checkpoints = (out: string) => readdirSync(join(out, 'checkpoints')).sort();
const loss = () => new DeviceLostError('the GPU device was lost (unplugged)');

const failure = async (run: Promise<unknown>): Promise<Error> => {
  const error = await run.then(() => undefined, (reason: Error) => reason);
  assert.instance(error, Error);
  return error!;
};

/** Bytes of everything that a run computes. */
function contents(out: string): Record<string, string> {
  const names = readdirSync(out, { recursive: true, encoding: 'utf8' }).filter((name) => /\.(png|jsonl|svg|safetensors)$|report\.json$/.test(name));
  const computed = names.filter((name) => name !== 'timings.jsonl' && !name.startsWith('checkpoints'));
  return Object.fromEntries(computed.sort().map((name) => [name, readFileSync(join(out, name)).toString('base64')]));
}

/** A run that is interrupted after `steps` steps of training, in a folder that is returned. */
async function interrupted({ warmStart, start }: ShortTraining, steps: number): Promise<string> {
  const [out, controller] = [newOut(), new AbortController()];
  const onStep = (done: number) => void (done === warmStart + steps - 1 && controller.abort());
  assert.is(await start(out, trainingParts({ onStep }, controller.signal).parts), 130);
  return out;
}

const undisturbed = new Map<string, string>();
for (const { name, start } of trainings) {
  const out = newOut();
  assert.is(await start(out, trainingParts().parts), 0);
  undisturbed.set(name, out);
}

assert.equal(trainings.map(({ name }) => name), [...TRAININGS], 'the table has every training');

for (const training of trainings) {
  const { name, warmStart, start, resume } = training;
  const whole = undisturbed.get(name)!;
  const go = (folder: string, change: object = {}, behaviour = {}) => {
    const { parts, heard } = trainingParts(behaviour);
    return resume({ folder, json: false, ...change }, parts).then((code) => ({ code, heard }));
  };

  test(`${name}: log, timings, curve, two checkpoints and the config of a finished run`, () => {
    for (const file of ['log.jsonl', 'timings.jsonl', 'losses.svg']) assert.ok(existsSync(join(whole, file)), file);
    assert.equal(checkpoints(whole).length, 2);
    const { command, status, stepsDone, seconds, plan, page, started, device } = configOf(whole);
    assert.equal([command, status, stepsDone, plan], [name, 'finished', 24, { warmStart, steps: 24 }]);
    assert.ok(seconds >= 0 && page.title && Date.parse(started) > 0 && device.device === 'fake');
    const steps = readFileSync(join(whole, 'log.jsonl'), 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line).step);
    assert.equal(steps, [0, 10, 20, 23]);
  });

  test(`${name}: interrupted and resumed, every file is that of an undisturbed run`, async () => {
    for (const steps of [2, 9, 12]) {
      const out = await interrupted(training, steps);
      const { code, heard } = await go(out);
      assert.is(code, 0);
      assert.match(heard.stderr, new RegExp(`resuming after ${steps} steps`));
      assert.equal(Object.keys(contents(out)), Object.keys(contents(whole)), `interrupted after ${steps}`);
      for (const [file, bytes] of Object.entries(contents(whole))) assert.ok(contents(out)[file] === bytes, `${file}, interrupted after ${steps}`);
    }
  });

  test(`${name}: --resume of another command names this one, and never how to delete the run`, async () => {
    const out = await interrupted(training, 9);
    const before = contents(out);
    for (const other of trainings.filter((each) => each !== training)) {
      const error = await failure(other.resume({ folder: out, json: false }, trainingParts().parts));
      assert.instance(error, InputError);
      assert.match(error.message, new RegExp(`holds a run of ${name}: resume it with splice-gpu ${name} --resume .*out$`));
      assert.not.match(error.message, /--force/);
    }
    assert.equal(contents(out), before);
    assert.is((await go(out)).code, 0);
  });

  test(`${name}: view shows its title, steps, curves and picture, and the command that resumes it`, async () => {
    const out = await interrupted(training, 12);
    const { about, state, losses, previews, pictures } = (await openRunFolder(out, async () => false)).snapshot();
    assert.is(about.goOn, `splice-gpu ${name} --resume ${out}`);
    assert.is(about.title, configOf(out).page.title);
    assert.equal([state.status, state.done, state.total], ['interrupted', warmStart + 12, warmStart + 24]);
    assert.equal([losses.map(([step]) => step), about.terms[0]], [[0, 10, 11], name === 'pretrain' ? 'loss' : 'total']);
    if (name !== 'train') assert.ok(previews.includes(6) && pictures.some((each) => each.name === 'result')); // nothing is held out here
  });

  test(`${name}: --watch gives a page, and a watched run writes the same bytes`, async () => {
    const out = newOut();
    const { parts, heard } = trainingParts();
    assert.is(await start(out, parts, 0), 0);
    assert.match(heard.stderr, /watch it at http:\/\/127\.0\.0\.1:\d+/);
    assert.equal(contents(out), contents(whole));
  });

  test(`${name}: a log shorter than its checkpoint is refused, and stays as it is`, async () => {
    const out = await interrupted(training, 20);
    truncateSync(join(out, 'log.jsonl'), 20);
    const error = await failure(go(out));
    assert.instance(error, InputError);
    assert.match(error.message, /no checkpoint in .* can be used/);
    assert.is(readFileSync(join(out, 'log.jsonl')).length, 20);
  });

  test(`${name}: a damaged checkpoint is left for the one before it, and that is said`, async () => {
    const out = await interrupted(training, 12);
    const newest = join(out, 'checkpoints', checkpoints(out).at(-1)!);
    const bytes = readFileSync(newest);
    bytes[bytes.length - 3]! ^= 4;
    writeFileSync(newest, bytes);
    const { code, heard } = await go(out);
    assert.is(code, 0);
    assert.match(heard.stderr, /is damaged \(its checksum is wrong\): trying the checkpoint before it\n(.*\n)*resuming after 6 steps/);
    assert.equal(contents(out), contents(whole));
  });

  test(`${name}: a run that fails says so, with its reason, time and curve`, async () => {
    const out = newOut();
    const onStep = (done: number) => {
      if (done === warmStart + 14) throw new InputError('the disk is full');
    };
    const { parts, heard } = trainingParts({ onStep });
    assert.match((await failure(start(out, parts))).message, /the disk is full/);
    const { status, error, stepsDone, seconds } = configOf(out);
    assert.equal([status, stepsDone], ['failed', 14]);
    assert.match(error, /the disk is full/);
    assert.ok(seconds >= 0 && existsSync(join(out, 'losses.svg')));
    assert.match(heard.stderr, new RegExp(`12 steps are kept: splice-gpu ${name} --resume .*out continues from there\n$`));
    assert.is((await go(out)).code, 0);
    assert.equal(contents(out), contents(whole));
  });

  test(`${name}: a loss that is not finite ends the run, and nothing of it is written`, async () => {
    const out = newOut();
    const error = await failure(start(out, trainingParts({ nanFrom: 15 }).parts));
    assert.instance(error, NonFiniteError);
    assert.match(error.message, /at step (17|20) the loss is not a finite number any more \(.* NaN.*of step 12; try another --seed or a smaller --lr/);
    assert.is(configOf(out).status, 'failed');
    assert.not.match(readFileSync(join(out, 'log.jsonl'), 'utf8'), /null|NaN/);
    assert.is((await readCheckpoint(join(out, 'checkpoints', checkpoints(out).at(-1)!))).state.counters['stepsDone'], 12);
  });

  test(`${name}: a lost device is opened again, at most three times`, async () => {
    const out = newOut();
    const moments = [2, 13, 15].map((step) => warmStart + step);
    const onStep = (done: number) => {
      if (done === moments[0] && moments.shift()) throw loss();
    };
    const { parts, heard } = trainingParts({ onStep });
    assert.is(await start(out, parts), 0);
    assert.match(heard.stderr, /was lost \(unplugged\): opening it again, 3 of at most 3 times\nresuming after 12 steps/);
    assert.equal(contents(out), contents(whole));
    const reasons = configOf(out).resumed.map(({ reason }: { reason: string }) => reason);
    assert.equal(reasons, ['device lost', 'device lost', 'device lost']);

    const again = newOut();
    const always = (done: number) => {
      if (done === warmStart + 14) throw loss();
    };
    const error = await failure(start(again, trainingParts({ onStep: always }).parts));
    assert.instance(error, DeviceLostError);
    assert.match(error.message, /for the 4th time in this run/);
    assert.is(configOf(again).status, 'failed');
  });

  test(`${name}: started, resumed and seconds survive, and a pause is not training`, async () => {
    const out = await interrupted(training, 9);
    const first = configOf(out);
    changeConfig(out, { ...first, started: '2026-01-02T03:04:05.000Z' });
    const path = join(out, 'checkpoints', checkpoints(out).at(-1)!);
    const { seconds: before } = await readCheckpoint(path);
    await sleep(300); // the time between two stretches does not count either
    assert.is((await go(out)).code, 0);
    const { started, resumed, seconds } = configOf(out);
    assert.is(started, '2026-01-02T03:04:05.000Z');
    assert.equal(resumed.map(({ step, reason }: { step: number; reason: string }) => [step, reason]), [[warmStart + 9, 'resumed']]);
    assert.ok(seconds >= before && seconds < before + 60, `${before} to ${seconds}`);

    const paused = newOut();
    const { parts, heard } = trainingParts({ onStep: () => sleep(5) });
    const ended = start(paused, parts, 0);
    const address = () => /watch it at (http:\S+)/.exec(heard.stderr)?.[1];
    while (!address()) await sleep(2);
    const token = /name="splice-token" content="([^"]+)"/.exec(await (await fetch(address()!)).text())![1]!;
    const command = (what: string) => fetch(`${address()!}do/${what}`, { method: 'POST', headers: { 'x-splice-token': token } });
    while (!heard.calls.includes('step')) await sleep(2);
    const began = Date.now();
    await command('pause');
    await sleep(2500);
    await command('resume');
    assert.is(await ended, 0);
    assert.ok(configOf(paused).seconds < (Date.now() - began) / 1000 - 2, 'the pause is left out');
  });

  test(`${name}: the need of memory is said before the first step, and refused when the machine does not have it`, async () => {
    const onStep = () => assert.match(heard.stderr, /memory: 3 MiB on the device, 2 MiB of it for the largest step/);
    const { parts, heard } = trainingParts({ onStep });
    assert.is(await start(newOut(), parts), 0);
    const out = newOut();
    const error = await failure(start(out, trainingParts({ bytes: 2 ** 50 }).parts));
    assert.instance(error, InputError);
    assert.match(error.message, /this run needs 1048576\.0 GiB of memory, this machine has .* GiB: use a smaller --/);
    assert.not(existsSync(join(out, 'result.png')));
  });

  test(`${name}: settings of a run may not change, except its steps, which may only grow`, async () => {
    const out = await interrupted(training, 9);
    const config = configOf(out);
    const changed = JSON.parse(JSON.stringify(config).replace(/"seed":1\b/g, '"seed":2'));
    changeConfig(out, changed);
    const error = await failure(go(out));
    assert.match(error.message, /config\.json has other settings than the run began with: put them back, or start a new run/);
    changeConfig(out, config);
    if (name === 'pretrain') return; // its schedules span all epochs: the command line refuses another number
    const few = await failure(go(out, { steps: 5 }));
    assert.instance(few, UsageError);
    assert.match(few.message, /--steps 5 is below the 9 steps that are done already: give 9 or more/);
    assert.is((await go(out, { steps: 30 })).code, 0);
    assert.equal([configOf(out).stepsDone, configOf(out).plan.steps], [30, 30]);
  });

  test(`${name}: a config that is damaged is one line with the field`, async () => {
    const out = await interrupted(training, 9);
    const config = configOf(out);
    changeConfig(out, JSON.parse(JSON.stringify(config).replace(/"seed":1\b/g, '"seed":"x"')));
    const error = await failure(go(out));
    assert.instance(error, InputError);
    assert.match(error.message, /config\.json does not describe a run \(options\.seed is "x"\): put the file back as it was/);
  });
}

/** A checkpoint as version 0.1 wrote it: settings in the order of the options, and in `train` with steps of 0. */
async function likeBefore(out: string, settings: object): Promise<void> {
  for (const name of checkpoints(out)) {
    const path = join(out, 'checkpoints', name);
    const checkpoint = await readCheckpoint(path);
    writeFileSync(path, encodeCheckpoint({ ...checkpoint, identity: { ...checkpoint.identity, settings: JSON.stringify(settings) } }));
  }
}

const [transferring, training, pretraining] = trainings as [ShortTraining, ShortTraining, ShortTraining];

test('a transfer of version 0.1 is viewed and resumed', async () => {
  const out = await interrupted(transferring, 9);
  const { command: _, plan: __, page: ___, ...config } = configOf(out);
  const { steps, saveEvery, size, ...splice } = config.options;
  await likeBefore(out, { ...splice, size });
  changeConfig(out, config);
  const { about, state } = (await openRunFolder(out, async () => false)).snapshot();
  assert.equal([about.title, about.goOn], ['structure as appearance', `splice-gpu transfer --resume ${out}`]);
  assert.equal([state.done, state.total, steps, saveEvery], [13, 28, 24, 6]);
  assert.is(await transferring.resume({ folder: out, json: false }, trainingParts().parts), 0);
  assert.equal(contents(out), contents(undisturbed.get('transfer')!));
});

test('a training on many pairs of version 0.1 is viewed and resumed', async () => {
  const out = await interrupted(training, 9);
  const { command: _, plan: __, page: ___, train: { anyPair, ...rest }, ...config } = configOf(out);
  const { holdOut: held, validateEvery, shown } = rest;
  await likeBefore(out, { ...anyPair, steps: 0, held, validateEvery, shown });
  changeConfig(out, { ...config, kind: 'general generator', train: { ...rest, out, force: false, json: false, general: anyPair } });
  const { about, state } = (await openRunFolder(out, async () => false)).snapshot();
  assert.equal([about.goOn, state.total], [`splice-gpu train --resume ${out}`, 28]);
  assert.is(await training.resume({ folder: out, json: false }, trainingParts().parts), 0);
  assert.equal(contents(out), contents(undisturbed.get('train')!));
});

test('a pretraining of version 0.1 is refused in one line, and a single pass has nothing to resume', async () => {
  const out = temporaryFolder();
  changeConfig(out, { program: 'splice-gpu', version: '0.1.0', photosSha256: 'ab', options: {}, status: 'interrupted' });
  const old = await failure(pretraining.resume({ folder: out, json: false }, trainingParts().parts));
  assert.match(old.message, /holds a pretraining of version 0\.1, which this version cannot resume: start a new one, with --init/);
  for (const config of [{ kind: 'applied generator' }, { command: 'transfer --generator' }]) {
    changeConfig(out, config);
    const error = await failure(transferring.resume({ folder: out, json: false }, trainingParts().parts));
    assert.match(error.message, /config\.json does not describe a training: give the --out folder of a transfer run/);
  }
});

test.run();
