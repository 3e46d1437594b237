/** Interrupted transfers: what is kept, continued and refused. trainings.test.ts tests what all trainings have in common. */
import { spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkpointsIn, encodeCheckpoint, readCheckpoint } from '../../cli/run/checkpoints.js';
import { InputError } from '../../cli/shared/errors.js';
import { resumeTransfer, transfer } from '../../cli/transfer/transfer.js';
import type { TransferOptions } from '../../cli/transfer/options.js';
import { serializeSafetensors } from '../../model/files/safetensors.js';
import { fakeParts, shortRun } from '../helpers/fakeRun.js';
import { redBlue, temporaryFile, temporaryFolder } from '../helpers/pictures.js';
import {
  assertSameContents, configOf, contents, failure, files, interruptedRun, loggedSteps, newOut, resumptions,
} from '../helpers/runs.js';
import { tinyWeights } from '../helpers/tinyVit.js';

const checkpointPath = (out: string, steps: number) => join(out, `checkpoints/${String(steps).padStart(5, '0')}.safetensors`);

/** The folder of a run of 30 steps, the warm start counted, that is interrupted during step `stop`. */
const interrupted = (stop: number, change: Partial<TransferOptions> = {}): Promise<string> =>
  interruptedRun((out, parts) => transfer({ ...shortRun({ ...files, out }), ...change }, parts), stop);

async function resumed(folder: string, steps?: number) {
  const { parts, heard } = fakeParts();
  const code = await resumeTransfer({ folder, json: false, ...(steps !== undefined && { steps }) }, parts);
  return { code, heard };
}

const undisturbed = newOut();
await transfer(shortRun({ ...files, out: undisturbed }), fakeParts().parts);

for (const stop of [2, 5, 6, 15, 16, 18, 25, 29]) {
  test(`resume: interrupted after ${stop} of 30 steps, every file is that of an undisturbed run`, async () => {
    const out = await interrupted(stop);
    const { code, heard } = await resumed(out);
    assert.is(code, 0);
    assertSameContents(out, undisturbed);
    assert.is(heard.calls.filter((call) => call === 'step').length, 30 - stop);
    const { status, stepsDone } = configOf(out);
    assert.equal([status, stepsDone, resumptions(out)], ['finished', 25, [[stop, 'resumed']]]);
  });
}

test('resume: files after the checkpoint are made again, and half-written ones are removed', async () => {
  const out = await interrupted(18);
  rmSync(checkpointPath(out, 18)); // as after a kill: the newest is that of step 10, which is 15 with the warm start
  mkdirSync(join(out, 'previews'), { recursive: true });
  writeFileSync(join(out, 'previews/00020.png'), 'later');
  writeFileSync(join(out, '.result.png.4711.tmp'), 'half');
  writeFileSync(join(out, 'checkpoints/.00020.safetensors.4711.tmp'), 'half');
  appendFileSync(join(out, 'log.jsonl'), '{"step":20,"structure":9,"appear');
  const { code, heard } = await resumed(out);
  assert.is(code, 0);
  assert.match(heard.stderr, /resuming after 10 steps/);
  assertSameContents(out, undisturbed);
  assert.not(existsSync(join(out, '.result.png.4711.tmp')));
  assert.equal(readdirSync(join(out, 'checkpoints')), ['00025.safetensors', '00030.safetensors']);
});

test('resume: before the first checkpoint it starts from the beginning', async () => {
  const out = await interrupted(3);
  rmSync(join(out, 'checkpoints'), { recursive: true });
  writeFileSync(join(out, 'config.json'), JSON.stringify({ ...configOf(out), status: 'running' })); // as after a kill
  const { heard } = await resumed(out);
  assert.match(heard.stderr, /no checkpoint was written yet: starting from the beginning/);
  assertSameContents(out, undisturbed);
});

test('resume: a finished run with more steps becomes the longer run', async () => {
  const [out, longer] = [newOut(), newOut()];
  await transfer(shortRun({ ...files, out }), fakeParts().parts);
  await transfer(shortRun({ ...files, out: longer }, { steps: 44 }), fakeParts().parts);
  assert.is((await resumed(out, 44)).code, 0);
  assertSameContents(out, longer);
  assert.equal(loggedSteps(out), [0, 10, 20, 30, 40, 43]);
  assert.is(configOf(out).options.steps, 44);
});

test('resume: what steadies a run is in its config where it is on, is kept, and must not change', async () => {
  const steadying = {
    ema: 0.5, lrDecay: 0.25, lrWarmup: 0.5, clip: 2, lambdaPatches: 3, patchColours: 6, lambdaColours: 5, keyLayers: [0],
    lambdaTexture: 4, warmLook: 0.5,
  };
  const start = (out: string, { parts } = fakeParts()) => transfer(shortRun({ ...files, out }, steadying), parts);
  const [out, whole] = [await interruptedRun((to, parts) => start(to, { ...fakeParts(), parts }), 18), newOut()];
  await start(whole);
  const config = configOf(out);
  for (const [name, value] of Object.entries(steadying)) assert.equal(config.options[name], value, name);
  for (const [name, value, problem] of [
    ['ema', 1, /\(options\.ema is out of range\)/], ['lrDecay', 1.5, /\(options\.lrDecay is out of range\)/],
    ['lrWarmup', 1.5, /\(options\.lrWarmup is out of range\)/],
    ['keyLayers', [-1], /\(options\.keyLayers is out of range\)/], ['clip', 'x', /\(options\.clip is "x"\)/],
    ['clip', 3, /config\.json does not have the settings that the run began with/],
    ['lambdaPatches', undefined, /config\.json does not have the settings that the run began with/],
  ] as const) {
    writeFileSync(join(out, 'config.json'), JSON.stringify({ ...config, options: { ...config.options, [name]: value } }));
    assert.match((await failure(resumed(out))).message, problem);
  }
  writeFileSync(join(out, 'config.json'), JSON.stringify(config));
  assert.is((await resumed(out)).code, 0);
  assertSameContents(out, whole);
});

test('resume: a finished run without more steps writes its pictures again and nothing else', async () => {
  const out = newOut();
  await transfer(shortRun({ ...files, out }), fakeParts().parts);
  rmSync(join(out, 'triptych.png'));
  const { code, heard } = await resumed(out);
  assert.equal([code, heard.calls.includes('step')], [0, false]);
  assertSameContents(out, undisturbed);
});

test('checkpoints: the last two are kept, also of the warm start', async () => {
  const out = await interrupted(18);
  assert.equal(readdirSync(join(out, 'checkpoints')), ['00015.safetensors', '00018.safetensors']);
  const warm = await interruptedRun((to, parts) => transfer(shortRun({ ...files, out: to }, { warmStart: 40 }), parts), 23);
  assert.equal(readdirSync(join(warm, 'checkpoints')), ['00020.safetensors', '00023.safetensors']);
});

const rewrite = (path: string, change: (text: string) => string) =>
  writeFileSync(path, change(readFileSync(path, 'latin1')), 'latin1');

for (const [what, damage] of [
  ['a flipped bit', (path: string) => rewrite(path, (text) =>
    text.slice(0, -3) + String.fromCharCode(text.charCodeAt(text.length - 3) ^ 4) + text.slice(-2))],
  ['a changed counter', (path: string) => rewrite(path, (text) => text.replace('"stepsDone":"13"', '"stepsDone":"12"'))],
  ['a lost end', (path: string) => truncateSync(path, 100)],
  ['nothing in it', (path: string) => truncateSync(path, 0)],
] as const) {
  test(`checkpoints: instead of one with ${what} the one before is used, and the output reports it`, async () => {
    const out = await interrupted(18);
    damage(checkpointPath(out, 18));
    const { code, heard } = await resumed(out);
    assert.is(code, 0);
    assert.match(heard.stderr, /00018\.safetensors .*: trying the checkpoint before it\n(.*\n)*resuming after 10 steps/);
    assertSameContents(out, undisturbed);
  });
}

test('checkpoints: when none can be used, the run is left as it is', async () => {
  const out = await interrupted(18);
  for (const steps of [15, 18]) truncateSync(checkpointPath(out, steps), 200);
  const before = contents(out);
  const error = await failure(resumed(out));
  assert.instance(error, InputError);
  assert.match(error.message, /no checkpoint in .*checkpoints can be used: start a new run with another --out/);
  assert.equal(contents(out), before);
});

test('checkpoints: come back as they were written, NaN included', async () => {
  const folder = temporaryFolder();
  const data = (n: number) => Float32Array.from({ length: 10 }, (_, i) => Math.sin(i * n));
  const losses = Float32Array.of(NaN, NaN, NaN, 0.1);
  const arrays = new Map([['weights', data(1)], ['momentum', data(2)], ['variance', data(3)], ['losses', losses]]);
  const state = { counters: { warmStepsDone: 5, stepsDone: 7, updates: 13 }, arrays };
  const checkpoint = { state, identity: { a: 'b "quoted"' }, logBytes: 77, seconds: 1.25 };
  await checkpointsIn(folder).write(checkpoint);
  assert.equal(readdirSync(folder), ['00012.safetensors']);
  const back = await readCheckpoint(join(folder, '00012.safetensors'));
  const plain = (value: object) => JSON.stringify(value, (_, part) => {
    if (part instanceof Map) return [...part];
    if (!(part instanceof Float32Array)) return part;
    return Buffer.from(part.buffer, part.byteOffset, part.byteLength).toString('hex');
  });
  assert.is(plain(back), plain(checkpoint));
  assert.ok(readFileSync(join(folder, '00012.safetensors')).equals(encodeCheckpoint(checkpoint)));
});

test('resume: other photos or weights are refused by name', async () => {
  const structure = temporaryFile('mine.png', await redBlue(60, 40).png().toBuffer());
  const model = temporaryFile('mine.safetensors', serializeSafetensors(tinyWeights()));
  const out = await interrupted(18, { structure, model });
  const [photo, weights] = [readFileSync(structure), readFileSync(model)];
  const refused = async (message: RegExp) => assert.match((await failure(resumed(out))).message, message);
  writeFileSync(structure, await redBlue(61, 40).png().toBuffer());
  await refused(/mine\.png is not the structure photo that the run in .* began with: put that one back/);
  const { parts, heard } = fakeParts();
  await failure(resumeTransfer({ folder: out, json: false, watch: 0 }, parts));
  assert.not.match(heard.stderr, /watch it at/, 'no page shows the photo');
  rmSync(structure);
  await refused(/mine\.png does not exist/);
  writeFileSync(structure, photo);
  const others = tinyWeights();
  others.get('cls_token')!.data.fill(0.02);
  writeFileSync(model, serializeSafetensors(others));
  await refused(/mine\.safetensors is not the ViT weights that the run in .* began with: put that one back/);
  writeFileSync(model, weights);
  assert.is((await resumed(out)).code, 0);
});

test('resume: a config without a photo is one line that names the field', async () => {
  const out = await interrupted(7);
  writeFileSync(join(out, 'config.json'), '{"command":"transfer","options":{},"model":{}}');
  const error = await failure(resumed(out));
  assert.instance(error, InputError);
  assert.match(error.message, /\(structure is missing\)/);
});

test('lock: a second run on the folder is refused while the first continues, new or resumed, with --force too', async () => {
  const out = newOut();
  const onStep = async (done: number): Promise<void> => {
    if (done !== 12) return;
    const { message: resuming } = await failure(resumed(out));
    const { message: starting } = await failure(transfer({ ...shortRun({ ...files, out }), force: true }, fakeParts().parts));
    const refusal = `out is in use by a run in progress \\(process ${process.pid}, since .*\\): wait for it or stop it`;
    for (const line of [resuming, starting]) assert.match(line, new RegExp(refusal));
  };
  const { parts } = fakeParts({ onStep });
  assert.is(await transfer(shortRun({ ...files, out }), parts), 0);
  assertSameContents(out, undisturbed);
});

test('lock: a file of a killed process does not lock, even if another process has its number', async () => {
  const out = await interrupted(18);
  const { pid } = spawnSync(process.execPath, ['-e', '']);
  const bootFile = '/proc/sys/kernel/random/boot_id';
  const boot = existsSync(bootFile) ? readFileSync(bootFile, 'utf8').trim() : '';
  const left = (name: string, fields: object) => {
    const lock = { pid, start: '1', host: hostname(), boot, since: 'then', ...fields };
    writeFileSync(join(out, `.running-${name}.json`), JSON.stringify(lock));
  };
  left('a1', {});
  left('a2', { boot: 'an earlier start of the machine', pid: process.pid });
  if (existsSync('/proc/self/stat')) left('a3', { pid: process.ppid, start: '1' });
  writeFileSync(join(out, '.running-a4.json'), '{"pi');
  assert.is((await resumed(out)).code, 0);
  assert.equal(readdirSync(out).filter((name) => name.startsWith('.')), []);
});

test('lock: the file of another machine may be in use, so the message names it for deletion', async () => {
  const out = await interrupted(18);
  const lock = { pid: 12, start: '', host: 'elsewhere', boot: '', since: '2026-01-01' };
  writeFileSync(join(out, '.running-b1.json'), JSON.stringify(lock));
  const { message } = await failure(resumed(out));
  assert.match(message, /in use by process 12 on elsewhere since 2026-01-01: .* if it is gone, delete .*\.running-b1\.json/);
});

test.run();
