/** Interrupted runs: what is kept, what goes on, and what is refused. */
import { spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkpointsIn, encodeCheckpoint, readCheckpoint } from '../../cli/run/checkpoints.js';
import { InputError, UsageError } from '../../cli/shared/errors.js';
import { resumeTransfer, transfer } from '../../cli/transfer/transfer.js';
import type { TransferOptions } from '../../cli/transfer/options.js';
import { DeviceLostError } from '../../engine/index.js';
import { serializeSafetensors } from '../../model/files/safetensors.js';
import { fakeParts, shortRun, type FakeBehaviour } from '../helpers/fakeRun.js';
import { redBlue, temporaryFile, temporaryFolder } from '../helpers/pictures.js';
import { tinyWeights } from '../helpers/tinyVit.js';

const files = {
  structure: temporaryFile('structure.png', await redBlue(60, 40).png().toBuffer()),
  appearance: temporaryFile('appearance.jpg', await redBlue(40, 80).jpeg().toBuffer()),
  model: temporaryFile('tiny.safetensors', serializeSafetensors(tinyWeights())),
};
const newOut = () => join(temporaryFolder(), 'out');
const json = (path: string) => JSON.parse(readFileSync(path, 'utf8'));
const logged = (out: string) => readFileSync(join(out, 'log.jsonl'), 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line).step);
const checkpointPath = (out: string, steps: number) => join(out, `checkpoints/${String(steps).padStart(5, '0')}.safetensors`);

/** Everything in a run's folder but times and what depends on them, by name. */
function contents(out: string): Record<string, string> {
  const names = readdirSync(out, { recursive: true, encoding: 'utf8' }).filter((name) => /\.(png|jsonl|svg|safetensors)$|report\.json$/.test(name));
  const compared = names.filter((name) => name !== 'timings.jsonl' && !name.startsWith('checkpoints'));
  return Object.fromEntries(compared.sort().map((name) => [name, readFileSync(join(out, name)).toString('base64')]));
}

/** A new run that Ctrl-C interrupts before it makes step `stop`, warm start counted in. */
async function interrupted(stop: number, change: Partial<TransferOptions> = {}): Promise<string> {
  const out = newOut();
  const controller = new AbortController();
  const { parts } = fakeParts({ onStep: (done) => void (done === stop - 1 && controller.abort()) }, controller.signal);
  assert.is(await transfer({ ...shortRun({ ...files, out }), ...change }, parts), 130);
  return out;
}

async function goOn(folder: string, steps?: number, behaviour: FakeBehaviour = {}) {
  const { parts, heard } = fakeParts(behaviour);
  const code = await resumeTransfer({ folder, json: false, ...(steps !== undefined && { steps }) }, parts);
  return { code, heard };
}

const failure = async (run: Promise<unknown>): Promise<Error> => {
  const error = await run.then(() => undefined, (reason: Error) => reason);
  assert.instance(error, Error);
  return error!;
};

const undisturbed = newOut();
await transfer(shortRun({ ...files, out: undisturbed }), fakeParts().parts);

for (const stop of [2, 5, 6, 15, 16, 18, 25, 29]) {
  test(`resume: interrupted after ${stop} of 30 steps, every file ends as if it had not been`, async () => {
    const out = await interrupted(stop);
    const { code, heard } = await goOn(out);
    assert.is(code, 0);
    assert.equal(contents(out), contents(undisturbed));
    assert.is(heard.calls.filter((call) => call === 'step').length, 30 - stop);
    const { status, stepsDone, resumed } = json(join(out, 'config.json'));
    assert.equal([status, stepsDone, resumed.map(({ step, reason }: { step: number; reason: string }) => [step, reason])], ['finished', 25, [[stop, 'resumed']]]);
  });
}

test('resume: what was written behind the checkpoint is made again, and what a killed process was writing goes', async () => {
  const out = await interrupted(18);
  rmSync(checkpointPath(out, 18)); // as if it had been killed: the one of step 10, 15 with the warm start, is the newest
  mkdirSync(join(out, 'previews'), { recursive: true });
  writeFileSync(join(out, 'previews/00020.png'), 'later');
  writeFileSync(join(out, '.result.png.4711.tmp'), 'half');
  writeFileSync(join(out, 'checkpoints/.00020.safetensors.4711.tmp'), 'half');
  appendFileSync(join(out, 'log.jsonl'), '{"step":20,"structure":9,"appear');
  const { code, heard } = await goOn(out);
  assert.is(code, 0);
  assert.match(heard.stderr, /resuming after 10 steps/);
  assert.equal(contents(out), contents(undisturbed));
  assert.not(existsSync(join(out, '.result.png.4711.tmp')));
  assert.equal(readdirSync(join(out, 'checkpoints')), ['00025.safetensors', '00030.safetensors']);
});

test('resume: before the first checkpoint it starts from the beginning', async () => {
  const out = await interrupted(3);
  rmSync(join(out, 'checkpoints'), { recursive: true });
  const { heard } = await goOn(out);
  assert.match(heard.stderr, /no checkpoint was written yet: starting from the beginning/);
  assert.equal(contents(out), contents(undisturbed));
});

test('resume: a finished run can be given more steps, and is then the longer run', async () => {
  const [out, longer] = [newOut(), newOut()];
  await transfer(shortRun({ ...files, out }), fakeParts().parts);
  await transfer(shortRun({ ...files, out: longer }, { steps: 44 }), fakeParts().parts);
  assert.is((await goOn(out, 44)).code, 0);
  assert.equal(contents(out), contents(longer));
  assert.equal(logged(out), [0, 10, 20, 30, 40, 43]);
  assert.is(json(join(out, 'config.json')).options.steps, 44);
});

test('resume: a finished run without more steps writes its pictures again and nothing else', async () => {
  const out = newOut();
  await transfer(shortRun({ ...files, out }), fakeParts().parts);
  rmSync(join(out, 'triptych.png'));
  const { code, heard } = await goOn(out);
  assert.equal([code, heard.calls.includes('step')], [0, false]);
  assert.equal(contents(out), contents(undisturbed));
});

test('resume: fewer steps than are done are refused', async () => {
  const error = await failure(goOn(await interrupted(20), 10));
  assert.instance(error, UsageError);
  assert.match(error.message, /--steps 10 is below the 15 steps that are done already: give 15 or more/);
});

test('checkpoints: the last two are kept, the warm start has some too', async () => {
  const out = await interrupted(18);
  assert.equal(readdirSync(join(out, 'checkpoints')), ['00015.safetensors', '00018.safetensors']);
  const warm = newOut();
  const controller = new AbortController();
  const { parts } = fakeParts({ onStep: (done) => void (done === 22 && controller.abort()) }, controller.signal);
  await transfer(shortRun({ ...files, out: warm }, { warmStart: 40 }), parts);
  assert.equal(readdirSync(join(warm, 'checkpoints')), ['00020.safetensors', '00023.safetensors']);
});

for (const [what, damage] of [
  ['a flipped bit', (path: string) => { const bytes = readFileSync(path); bytes[bytes.length - 3]! ^= 4; writeFileSync(path, bytes); }],
  ['a changed counter', (path: string) => writeFileSync(path, readFileSync(path, 'latin1').replace('"stepsDone":"13"', '"stepsDone":"12"'), 'latin1')],
  ['a lost end', (path: string) => truncateSync(path, 100)],
  ['nothing in it', (path: string) => truncateSync(path, 0)],
] as const) {
  test(`checkpoints: the newest with ${what} is left for the one before, and that is said`, async () => {
    const out = await interrupted(18);
    damage(checkpointPath(out, 18));
    const { code, heard } = await goOn(out);
    assert.is(code, 0);
    assert.match(heard.stderr, /00018\.safetensors .*: trying the checkpoint before it\n(.*\n)*resuming after 10 steps/);
    assert.equal(contents(out), contents(undisturbed));
  });
}

test('checkpoints: when none can be used, the run is left as it is', async () => {
  const out = await interrupted(18);
  for (const steps of [15, 18]) truncateSync(checkpointPath(out, steps), 200);
  const before = contents(out);
  const error = await failure(goOn(out));
  assert.instance(error, InputError);
  assert.match(error.message, /no checkpoint in .*checkpoints can be used: start a new run with another --out/);
  assert.equal(contents(out), before);
});

test('checkpoints: one whose part of the log is gone is not used', async () => {
  const out = await interrupted(18);
  truncateSync(join(out, 'log.jsonl'), 20);
  assert.match((await failure(goOn(out))).message, /no checkpoint .* can be used/);
});

test('checkpoints: come back as they were written, NaN included', async () => {
  const folder = temporaryFolder();
  const data = (n: number) => Float32Array.from({ length: 10 }, (_, i) => Math.sin(i * n));
  const arrays = new Map([['weights', data(1)], ['momentum', data(2)], ['variance', data(3)], ['losses', Float32Array.of(NaN, NaN, NaN, 0.1)]]);
  const state = { counters: { warmStepsDone: 5, stepsDone: 7, updates: 13 }, arrays };
  const checkpoint = { state, identity: { a: 'b "quoted"' }, logBytes: 77, seconds: 1.25 };
  await checkpointsIn(folder).write(checkpoint);
  assert.equal(readdirSync(folder), ['00012.safetensors']);
  const back = await readCheckpoint(join(folder, '00012.safetensors'));
  const plain = (value: object) => JSON.stringify(value, (_, part) => {
    if (part instanceof Map) return [...part];
    return part instanceof Float32Array ? Buffer.from(part.buffer, part.byteOffset, part.byteLength).toString('hex') : part;
  });
  assert.is(plain(back), plain(checkpoint));
  assert.ok(readFileSync(join(folder, '00012.safetensors')).equals(encodeCheckpoint(checkpoint)));
});

test('resume: other photos, weights or settings are refused by name', async () => {
  const structure = temporaryFile('mine.png', await redBlue(60, 40).png().toBuffer());
  const out = await interrupted(18, { structure });
  const original = readFileSync(structure);
  writeFileSync(structure, await redBlue(61, 40).png().toBuffer());
  assert.match((await failure(goOn(out))).message, /mine\.png is not the structure photo that the run in .* began with: put that one back/);
  rmSync(structure);
  assert.match((await failure(goOn(out))).message, /mine\.png does not exist/);
  writeFileSync(structure, original);
  const path = join(out, 'config.json');
  const config = json(path);
  writeFileSync(path, JSON.stringify({ ...config, options: { ...config.options, lr: 0.01 } }));
  assert.match((await failure(goOn(out))).message, /config\.json has other settings than the run began with: put them back/);
  writeFileSync(path, JSON.stringify(config));
  assert.is((await goOn(out)).code, 0);
});

for (const [name, text, message] of [
  ['is cut short', '{"options": {', /config\.json does not describe a run \(it is not JSON\)/],
  ['is no object', '[1]', /\(the file is \[1\]\)/],
  ['has no photo', '{"command":"transfer","options":{},"model":{}}', /\(structure is missing\)/],
  ['has an option of the wrong kind', undefined, /\(options\.seed is "x"\): put the file back as it was, or start a new run/],
] as const) {
  test(`resume: a config that ${name} is one clear error`, async () => {
    const out = await interrupted(7);
    const config = json(join(out, 'config.json'));
    writeFileSync(join(out, 'config.json'), text ?? JSON.stringify({ ...config, options: { ...config.options, seed: 'x' } }));
    const error = await failure(goOn(out));
    assert.instance(error, InputError);
    assert.match(error.message, message);
  });
}

test('resume: a folder without a run stays as it is', async () => {
  const folder = temporaryFolder();
  assert.match((await failure(goOn(folder))).message, /holds no run \(there is no .*config\.json\): give the --out folder/);
  assert.equal(readdirSync(folder), []);
  await failure(goOn(join(folder, 'none')));
  assert.equal(readdirSync(folder), []);
});

test('lock: a second run on the folder is refused while the first goes on, new or resumed, with --force too', async () => {
  const out = newOut();
  const refusals: string[] = [];
  let asking: Promise<void> | undefined;
  const ask = async () => {
    refusals.push((await failure(goOn(out))).message);
    refusals.push((await failure(transfer({ ...shortRun({ ...files, out }), force: true }, fakeParts().parts))).message);
  };
  const { parts } = fakeParts({ onStep: (done) => void (done === 12 && (asking = ask())) });
  const start: typeof parts.startSplice = async (...inputs) => {
    const run = await parts.startSplice(...inputs);
    const { step } = run;
    return Object.defineProperty(run, 'step', { value: async () => { const info = await step(); await asking; return info; } });
  };
  assert.is(await transfer(shortRun({ ...files, out }), { ...parts, startSplice: start }), 0);
  assert.is(refusals.length, 2);
  for (const line of refusals) assert.match(line, new RegExp(`out is in use by a run in progress \\(process ${process.pid}, since .*\\): wait for it or stop it`));
  assert.equal(contents(out), contents(undisturbed));
});

test('lock: what a killed process left is no lock, not even when its number was given out again', async () => {
  const out = await interrupted(18);
  const { pid } = spawnSync(process.execPath, ['-e', '']);
  const boot = existsSync('/proc/sys/kernel/random/boot_id') ? readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim() : '';
  const left = (name: string, fields: object) => writeFileSync(join(out, `.running-${name}.json`), JSON.stringify({ pid, start: '1', host: hostname(), boot, since: 'then', ...fields }));
  left('a1', {});
  left('a2', { boot: 'an earlier start of the machine', pid: process.pid });
  if (existsSync('/proc/self/stat')) left('a3', { pid: process.ppid, start: '1' });
  writeFileSync(join(out, '.running-a4.json'), '{"pi');
  assert.is((await goOn(out)).code, 0);
  assert.equal(readdirSync(out).filter((name) => name.startsWith('.')), []);
});

test('lock: of another machine nothing is known, so the file to delete is named', async () => {
  const out = await interrupted(18);
  writeFileSync(join(out, '.running-b1.json'), JSON.stringify({ pid: 12, start: '', host: 'elsewhere', boot: '', since: '2026-01-01' }));
  assert.match((await failure(goOn(out))).message, /in use by process 12 on elsewhere since 2026-01-01: .* if it is gone, delete .*\.running-b1\.json/);
});

test('a lost device is opened again, and the run goes on from its last checkpoint as if nothing had been', async () => {
  const out = newOut();
  const moments = [3, 17, 22];
  const onStep = (done: number) => {
    if (done !== moments[0]) return;
    moments.shift();
    throw new DeviceLostError('the GPU device was lost (unplugged)');
  };
  const { parts, heard } = fakeParts({ onStep });
  assert.is(await transfer(shortRun({ ...files, out }), parts), 0);
  assert.equal(contents(out), contents(undisturbed));
  assert.match(heard.stderr, /was lost \(unplugged\): opening it again, 1 of at most 3 times\nno checkpoint was written yet: starting from the beginning\n/);
  assert.match(heard.stderr, /opening it again, 3 of at most 3 times\nresuming after 10 steps\n/);
  assert.equal(json(join(out, 'config.json')).resumed.map(({ step, reason }: { step: number; reason: string }) => [step, reason]), [[0, 'device lost'], [15, 'device lost'], [15, 'device lost']]);
});

test('a device that is lost a fourth time ends the run, which can be resumed', async () => {
  const out = newOut();
  const lose = (done: number) => {
    if (done === 17) throw new DeviceLostError('the GPU device was lost (unplugged)');
  };
  const { parts, heard } = fakeParts({ onStep: lose });
  const error = await failure(transfer(shortRun({ ...files, out }), parts));
  assert.instance(error, DeviceLostError);
  assert.match(error.message, /lost \(unplugged\), for the 4th time in this run/);
  assert.match(heard.stderr, /10 steps are kept: splice-gpu transfer --resume .*out continues from there\n$/);
  assert.is(json(join(out, 'config.json')).status, 'failed');
  assert.is((await goOn(out)).code, 0);
  assert.equal(contents(out), contents(undisturbed));
});

test.run();
