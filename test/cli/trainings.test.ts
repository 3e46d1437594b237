/** Everything that trainings have in common, each case over all three: what they keep, refuse, survive and report. */
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { addModel } from '../../cli/models/get.js';
import { readCheckpoint } from '../../cli/run/checkpoints.js';
import { TRAININGS } from '../../cli/run/config.js';
import type { Parts } from '../../cli/run/parts.js';
import { InputError, NoAdapterError, NonFiniteError, UsageError } from '../../cli/shared/errors.js';
import { isHeld } from '../../cli/shared/lock.js';
import { openRunFolder } from '../../cli/view/folder.js';
import { DeviceLostError } from '../../engine/index.js';
import { temporaryFolder } from '../helpers/pictures.js';
import {
  assertSameContents, configOf, contents, failure, interruptedRun, loggedSteps, newOut, pageOf, resumptions,
} from '../helpers/runs.js';
import {
  checkpoints, interrupted, model, trainingParts, trainings, undisturbed, viewed, writeConfig,
} from '../helpers/trainings.js';

const newest = (out: string) => join(out, 'checkpoints', checkpoints(out).at(-1)!);
const loss = () => new DeviceLostError('the GPU device was lost (unplugged)');

/** A config whose seed has another value, as JSON. */
const withSeed = (config: object, seed: string): object =>
  JSON.parse(JSON.stringify(config).replace(/"seed":1\b/g, `"seed":${seed}`));

assert.equal(trainings.map(({ name }) => name), [...TRAININGS], 'the table has every training');

for (const training of trainings) {
  const { name, warmStart, start, resume } = training;
  const whole = await undisturbed(training);
  const resumed = async (folder: string, change: object = {}, behaviour = {}) => {
    const { parts, heard } = trainingParts(behaviour);
    return { code: await resume({ folder, json: false, ...change }, parts), heard };
  };

  test(`${name}: log, timings, curve, two checkpoints and the config of a finished run`, () => {
    for (const file of ['log.jsonl', 'timings.jsonl', 'losses.svg']) assert.ok(existsSync(join(whole, file)), file);
    assert.equal(checkpoints(whole).length, 2);
    const { command, status, stepsDone, seconds, plan, page, started, device } = configOf(whole);
    assert.equal([command, status, stepsDone, plan], [name, 'finished', 24, { warmStart, steps: 24 }]);
    assert.ok(seconds >= 0 && page.title && Date.parse(started) > 0 && device.device === 'fake');
    assert.equal(loggedSteps(whole), [0, 10, 20, 23]);
  });

  test(`${name}: interrupted and resumed, every file is that of an undisturbed run`, async () => {
    for (const steps of [2, 9, 12]) {
      const out = await interrupted(training, steps);
      const { code, heard } = await resumed(out);
      assert.is(code, 0);
      assert.match(heard.stderr, new RegExp(`resuming after ${steps} steps`));
      assertSameContents(out, whole, `interrupted after ${steps}`);
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
    assert.is((await resumed(out)).code, 0);
  });

  test(`${name}: a folder without a run is not resumed, and stays as it is`, async () => {
    const folder = temporaryFolder();
    const error = await failure(resumed(folder));
    assert.instance(error, InputError);
    assert.match(error.message, /holds no run \(there is no .*config\.json\): give the --out folder of a run/);
    await failure(resumed(join(folder, 'none')));
    assert.equal(readdirSync(folder), []);
  });

  test(`${name}: an earlier run is kept without --force, and replaced as a whole with it`, async () => {
    const out = await interrupted(training, 9);
    const before = contents(out);
    const error = await failure(start(out, trainingParts().parts));
    assert.instance(error, UsageError);
    const choices = `choose another --out, or --force to replace it, or splice-gpu ${name} --resume ${out} to continue it`;
    assert.match(error.message, new RegExp(`holds an earlier run .*: ${choices}$`));
    assert.equal(contents(out), before);
    const unusable = trainingParts({ startError: new NoAdapterError('no WebGPU adapter') });
    assert.instance(await failure(start(out, unusable.parts, { force: true })), NoAdapterError);
    assert.equal(contents(out), before, 'a run that cannot start replaces nothing');
    mkdirSync(join(out, 'previews'), { recursive: true });
    writeFileSync(join(out, 'previews/00099.png'), 'of the earlier run');
    writeFileSync(join(out, 'mine.txt'), 'kept');
    assert.is(await start(out, trainingParts().parts, { force: true }), 0);
    assertSameContents(out, whole);
    assert.equal(checkpoints(out), checkpoints(whole));
    assert.ok(existsSync(join(out, 'mine.txt')));
  });

  test(`${name}: --force keeps the earlier run when an interrupt comes before the first step`, async () => {
    const out = await interrupted(training, 9);
    const before = contents(out);
    await failure(start(out, trainingParts({}, AbortSignal.abort(new Error('interrupted'))).parts, { force: true }));
    assert.equal(contents(out), before);
    assert.is((await resumed(out)).code, 0);
  });

  test(`${name}: --force does not replace the files that the new run reads`, async () => {
    const out = await interrupted(training, 9);
    const weights = join(out, 'generator.safetensors');
    copyFileSync(model, weights);
    const before = contents(out);
    const error = await failure(start(out, trainingParts().parts, { force: true, model: weights }));
    assert.instance(error, UsageError);
    assert.is(error.message, `${weights} would be replaced by the new run in ${out}: choose another --out`);
    assert.equal(contents(out), before);
  });

  test(`${name}: a ViT that was given by its name in the cache is found again`, async () => {
    process.env['SPLICE_GPU_CACHE'] = temporaryFolder();
    await addModel(model, 'mine');
    const withModel = (out: string, parts: Parts) => start(out, parts, { model: 'mine' });
    const out = await interruptedRun(withModel, warmStart + 9, trainingParts);
    assert.is((await resumed(out)).code, 0);
    assert.match(JSON.stringify(configOf(out)), /"(given|model|teacher)":"mine"/);
  });

  test(`${name}: results that are no run are kept without --force`, async () => {
    for (const file of ['generator.safetensors', 'vit.safetensors', 'result.png']) {
      const folder = temporaryFolder();
      writeFileSync(join(folder, file), 'mine');
      const error = await failure(start(folder, trainingParts().parts));
      const choices = 'choose another --out, or --force to replace it';
      assert.match(error.message, new RegExp(`holds an earlier run .*${file}\\): ${choices}$`));
      assert.equal(readdirSync(folder), [file]);
    }
  });

  test(`${name}: a finished or interrupted run without its checkpoints is not begun again`, async () => {
    const out = await interrupted(training, 9);
    rmSync(join(out, 'checkpoints'), { recursive: true });
    const before = contents(out);
    const { parts, heard } = trainingParts();
    const error = await failure(resume({ folder: out, json: false }, parts));
    assert.instance(error, InputError);
    assert.match(error.message, /holds no checkpoint, but the run is interrupted: put the checkpoints back, or start/);
    assert.equal(contents(out), before);
    assert.not.match(heard.stderr, /are kept/);
  });

  test(`${name}: a clock that is set back damages no checkpoint and no time`, async () => {
    const { now } = Date;
    const stopped = new AbortController();
    const onStep = (done: number) => {
      if (done === 8) Date.now = () => now() - 3_600_000;
      if (done === warmStart + 13) stopped.abort();
    };
    const out = newOut();
    await start(out, trainingParts({ onStep }, stopped.signal).parts).finally(() => (Date.now = now));
    assert.ok(configOf(out).seconds >= 0);
    assert.is((await resumed(out)).code, 0);
    assertSameContents(out, whole);
  });

  test(`${name}: a run that cannot start leaves no run and no open device`, async () => {
    const out = newOut();
    const { parts, heard } = trainingParts({ startError: new NoAdapterError('no WebGPU adapter') });
    assert.instance(await failure(start(out, parts)), NoAdapterError);
    assert.ok(heard.closed);
    if (name === 'train') assert.equal(readdirSync(out), ['cls.safetensors']); // reading the tokens again would take time
    else assert.not(existsSync(join(out, '..')));
  });

  test(`${name}: view shows its title, steps, curves and picture, and the command that resumes it`, async () => {
    const out = await interrupted(training, 12);
    const { about, state, losses, previews, pictures } = await viewed(out);
    assert.is(about.goOn, `splice-gpu ${name} --resume ${out}`);
    assert.is(about.title, configOf(out).page.title);
    assert.equal([state.status, state.done, state.total], ['interrupted', warmStart + 12, warmStart + 24]);
    assert.equal([losses.map(([step]) => step), about.terms[0]], [[0, 10, 11], name === 'pretrain' ? 'loss' : 'total']);
    if (name === 'train') return; // without held-out photos it makes no pictures
    assert.ok(previews.includes(6) && pictures.some((each) => each.name === 'result'));
  });

  test(`${name}: --watch gives a page, and a watched run writes the same bytes`, async () => {
    const out = newOut();
    const { parts, heard } = trainingParts();
    assert.is(await start(out, parts, { watch: 0 }), 0);
    assert.match(heard.stderr, /watch it at http:\/\/127\.0\.0\.1:\d+/);
    assertSameContents(out, whole);
    const again = await interrupted(training, 12);
    assert.match((await resumed(again, { watch: 0 })).heard.stderr, /watch it at http:\/\/127\.0\.0\.1:\d+/);
    assertSameContents(again, whole);
  });

  test(`${name}: a log shorter than its checkpoint is refused, and stays as it is`, async () => {
    const out = await interrupted(training, 20);
    truncateSync(join(out, 'log.jsonl'), 20);
    const { parts, heard } = trainingParts();
    const error = await failure(resume({ folder: out, json: false }, parts));
    assert.instance(error, InputError);
    assert.match(error.message, /no checkpoint in .* can be used/);
    assert.not.match(heard.stderr, /are kept/);
    assert.is(readFileSync(join(out, 'log.jsonl')).length, 20);
  });

  test(`${name}: with a damaged checkpoint the one before it is used, and the output reports it`, async () => {
    const out = await interrupted(training, 12);
    const bytes = readFileSync(newest(out));
    bytes[bytes.length - 3]! ^= 4;
    writeFileSync(newest(out), bytes);
    const { code, heard } = await resumed(out);
    assert.is(code, 0);
    assert.match(heard.stderr,
      /is damaged \(its checksum is wrong\): trying the checkpoint before it\n(.*\n)*resuming after 6 steps/);
    assertSameContents(out, whole);
  });

  test(`${name}: a failed run keeps its reason, time and curve, and can be resumed`, async () => {
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
    const kept = new RegExp(`12 steps are kept: splice-gpu ${name} --resume .*out continues from there\n$`);
    assert.match(heard.stderr, kept);
    assert.ok(heard.destroyed && heard.closed);
    assert.is((await resumed(out)).code, 0);
    assertSameContents(out, whole);
  });

  test(`${name}: a loss that is not finite ends the run, and nothing of it is written`, async () => {
    const out = newOut();
    const error = await failure(start(out, trainingParts({ nanFrom: 15 }).parts));
    assert.instance(error, NonFiniteError);
    assert.match(error.message, /at step (17|20) the loss is no longer a finite number \(.* NaN/);
    assert.match(error.message, /of step 12; try another --seed or a smaller --lr/);
    assert.is(configOf(out).status, 'failed');
    assert.not.match(readFileSync(join(out, 'log.jsonl'), 'utf8'), /null|NaN/);
    assert.is((await readCheckpoint(newest(out))).state.counters['stepsDone'], 12);
  });

  test(`${name}: a lost device is opened again, at most three times`, async () => {
    const out = newOut();
    const moments = [2, 13, 15].map((step) => warmStart + step);
    const onStep = (done: number) => {
      if (done === moments[0] && moments.shift()) throw loss();
    };
    const { parts, heard } = trainingParts({ onStep });
    assert.is(await start(out, parts), 0);
    const lost = 'was lost \\(unplugged\\): opening it again';
    const beginning = name === 'pretrain' // it also saves before its first step
      ? 'resuming after 0 steps' : 'no checkpoint was written yet: starting from the beginning';
    assert.match(heard.stderr, new RegExp(`${lost}, 1 of at most 3 times\n${beginning}\n`));
    assert.match(heard.stderr, new RegExp(`${lost}, 3 of at most 3 times\nresuming after 12 steps\n`));
    assertSameContents(out, whole);
    assert.equal(resumptions(out), [0, warmStart + 12, warmStart + 12].map((step) => [step, 'device lost']));
  });

  test(`${name}: a device that is lost a fourth time ends the run, which can be resumed`, async () => {
    const out = newOut();
    const onStep = (done: number) => {
      if (done === warmStart + 14) throw loss();
    };
    const error = await failure(start(out, trainingParts({ onStep }).parts));
    assert.instance(error, DeviceLostError);
    assert.match(error.message, /lost \(unplugged\), for the 4th time in this run/);
    assert.is(configOf(out).status, 'failed');
    assert.is((await resumed(out)).code, 0);
    assertSameContents(out, whole);
  });

  test(`${name}: a lost device that cannot be opened again ends the run, which says failed and can be resumed`, async () => {
    const [out, open] = [newOut(), { isGone: false }];
    const onStep = (done: number) => {
      if (done !== warmStart + 14) return;
      open.isGone = true;
      throw loss();
    };
    const { parts, heard } = trainingParts({ onStep });
    const openEngine = async () => {
      if (open.isGone) throw new Error('no adapter');
      return parts.openEngine();
    };
    const error = await failure(start(out, { ...parts, openEngine }));
    assert.match(error.message, /the GPU device was lost and none can be opened \(no adapter\)/);
    assert.match(heard.stderr, /12 steps are kept/);
    const { status, stepsDone } = configOf(out);
    assert.equal([status, stepsDone], ['failed', 14]);
    assert.is((await resumed(out)).code, 0);
    assertSameContents(out, whole);
  });

  test(`${name}: a resumed run keeps its start and its seconds`, async () => {
    const out = await interrupted(training, 9);
    writeConfig(out, { ...configOf(out), started: '2026-01-02T03:04:05.000Z' });
    const { seconds: before } = await readCheckpoint(newest(out));
    await sleep(300); // the time between two stretches does not count either
    assert.is((await resumed(out)).code, 0);
    const { started, seconds } = configOf(out);
    assert.is(started, '2026-01-02T03:04:05.000Z');
    assert.equal(resumptions(out), [[warmStart + 9, 'resumed']]);
    assert.ok(seconds >= before && seconds < before + 60, `${before} to ${seconds}`);
  });

  test(`${name}: a pause does not count as training`, async () => {
    const out = newOut();
    const { parts, heard } = trainingParts({ onStep: () => sleep(5) });
    const ended = start(out, parts, { watch: 0 });
    const { command } = await pageOf(heard);
    while (!heard.calls.includes('step')) await sleep(2);
    const began = Date.now();
    await command('pause');
    await sleep(2500);
    await command('resume');
    assert.is(await ended, 0);
    assert.ok(configOf(out).seconds < (Date.now() - began) / 1000 - 2, 'the pause is left out');
  });

  test(`${name}: the need of memory is printed before the first step, and refused if the machine lacks it`, async () => {
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
    writeConfig(out, withSeed(config, '2'));
    const error = await failure(resumed(out));
    assert.match(error.message, /config\.json does not have the settings that the run began with: put the file back/);
    writeConfig(out, config);
    if (name === 'pretrain') return; // its schedules span all epochs: the command line refuses another number
    const few = await failure(resumed(out, { steps: 5 }));
    assert.instance(few, UsageError);
    assert.match(few.message, /--steps 5 is below the 9 steps that are done already: give 9 or more/);
    assert.is((await resumed(out, { steps: 30 })).code, 0);
    assert.equal([configOf(out).stepsDone, configOf(out).plan.steps], [30, 30]);
  });

  test(`${name}: a damaged config is one line that names the damage`, async () => {
    const out = await interrupted(training, 9);
    const wrongSeed = JSON.stringify(withSeed(configOf(out), '"x"'));
    const [right, wrong] = name === 'pretrain' ? ['"batch":1,', '"batch":0,'] : [/"recipe":"[^"]+"/, '"recipe":"x"'];
    const wrongMethod = JSON.stringify(configOf(out)).replace(right!, wrong as string);
    const remedy = 'put the file back as it was, or start a new run with another --out';
    for (const [text, damage] of [['{"options": {', 'it is not JSON'], ['[1]', 'the file is [1]'],
      [wrongSeed, 'options.seed is "x"'], [wrongMethod, name === 'pretrain' ? 'options.batch is 0' : 'options.recipe is "x"'],
    ] as const) {
      writeFileSync(join(out, 'config.json'), text);
      const error = await failure(resumed(out));
      assert.instance(error, InputError);
      assert.is(error.message, `${join(out, 'config.json')} does not describe a run (${damage}): ${remedy}`);
    }
  });
}

test('view of a run whose folder is deleted shows what it has read', async () => {
  const out = await interrupted(trainings[0], 9);
  writeConfig(out, { ...configOf(out), status: 'running' });
  const { snapshot } = await openRunFolder(out, isHeld);
  rmSync(out, { recursive: true });
  assert.is((await snapshot()).about.title, 'structure as appearance');
});

test.run();
