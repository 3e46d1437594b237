/** The choice of kernels: where it is kept, when it is measured and by which process, and that a resumed run has the same. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { summarize, type AdapterSummary } from '../../cli/gpu/device.js';
import { measureApart, type MeasureRequest } from '../../cli/gpu/apart.js';
import { calibrationStore, interruptible } from '../../cli/gpu/calibration.js';
import { report } from '../../cli/bench/tune.js';
import { run } from '../../cli/main.js';
import type { Parts } from '../../cli/run/parts.js';
import { deviceUse } from '../../cli/run/run.js';
import type { Training } from '../../cli/run/training.js';
import { prepare, resumeTransfer, transfer } from '../../cli/transfer/transfer.js';
import { createEngine, schedule, UNFINISHED, type Calibration } from '../../engine/index.js';
import { testDevice } from '../helpers/device.js';
import { fakeParts, shortRun } from '../helpers/fakeRun.js';
import { temporaryFile, temporaryFolder } from '../helpers/pictures.js';
import { configOf, failure, files, interruptedRun, newOut } from '../helpers/runs.js';
import { trainings } from '../helpers/trainings.js';

process.env['SPLICE_GPU_CACHE'] = temporaryFolder();

const gpu: AdapterSummary = { vendor: 'test', architecture: '', device: 'a GPU', driver: 'driver 1', software: false };
const never = new AbortController().signal;
const options = (out: string) => shortRun({ ...files, out });

/** Fake runs on a device that seems to be a GPU, and the calibration that each run's engine has. */
function gpuParts(adapter = gpu, found?: Calibration) {
  const asked: MeasureRequest[] = [];
  const used: Calibration[] = [];
  const partsOf: typeof fakeParts = (behaviour, interrupt) => {
    const { parts, heard } = fakeParts(behaviour, interrupt);
    const startSplice: Parts['startSplice'] = (engine, ...rest) => {
      used.push(engine.launcher.calibration);
      return parts.startSplice(engine, ...rest);
    };
    const openEngine = async () => ({ engine: createEngine(await testDevice()), adapter, close: () => undefined });
    const measure: typeof measureApart = async (request) => {
      asked.push(request);
      if (found) await calibrationStore(adapter).write(found);
      return 0;
    };
    return { parts: { ...parts, openEngine, measureApart: measure, startSplice }, heard };
  };
  return { partsOf, asked, used };
}

/** A choice for every kind of launch of a short run: one with plain loops, the others with the usual kernels. */
async function wholeChoice(): Promise<Calibration> {
  const { tune } = await prepare(options(newOut()), fakeParts().parts);
  const engine = createEngine(await testDevice());
  const { launcher } = engine;
  const nodes = (await tune!.graphs(() => engine.graph())).flatMap((outputs) => schedule(Object.values(outputs)).launches);
  const kinds = [...new Set(nodes.map((node) => launcher.kindOf(node)))];
  return { chosen: Object.fromEntries(kinds.map((kind, i) => [kind, i === 3 ? 'plain' : 'usual'])), struck: {} };
}

test('the store has a file for each adapter and driver; a damaged one counts as none', async () => {
  const calibration = { chosen: { a: 'b' }, struck: { 'c: d': 'wrong' } };
  const store = calibrationStore({ ...gpu, device: 'stored' });
  assert.is(await store.read(), undefined);
  await store.write(calibration);
  assert.equal(await calibrationStore({ ...gpu, device: 'stored' }).read(), calibration);
  assert.is(await calibrationStore({ ...gpu, device: 'stored', driver: 'driver 2' }).read(), undefined);
  assert.is(readdirSync(dirname(store.path)).length, 1);
  for (const damaged of ['{', '[]', '{"chosen":{"a":1},"struck":{}}', '{"chosen":{}}']) {
    writeFileSync(store.path, damaged);
    assert.is(await store.read(), undefined, damaged);
  }
});

test('a run on a GPU measures what is not known, once, and keeps its choice in config.json', async () => {
  const found = await wholeChoice();
  const [kind] = Object.entries(found.chosen).find(([, name]) => name === 'plain')!;
  const first = gpuParts(gpu, found);
  const out = newOut();
  const { parts, heard } = first.partsOf();
  assert.is(await transfer(options(out), parts), 0);
  assert.equal(first.asked.map(({ command, seconds }) => [command, seconds]), [['transfer', 10]]);
  assert.equal(first.asked[0]!.options, options(out));
  assert.match(heard.stderr, /measuring which kernels are right and fastest here, for at most 10 s/);
  assert.equal(first.used, [found]);
  assert.equal(configOf(out).kernels, { chosen: { [kind]: 'plain' }, struck: {} });
  const second = gpuParts();
  await transfer(options(newOut()), second.partsOf().parts);
  assert.equal([second.asked, second.used], [[], [found]]);
});

test('a resumed run has the kernels that it began with, on another device those of that device', async () => {
  const found = await wholeChoice();
  await calibrationStore(gpu).write(found);
  const out = await interruptedRun((folder, parts) => transfer(options(folder), parts), 12, gpuParts().partsOf);
  const { kernels } = configOf(out);
  await calibrationStore(gpu).write({ chosen: {}, struck: { 'linear: usual': 'wrong numbers' } });
  const same = gpuParts();
  await resumeTransfer({ folder: out, json: false }, same.partsOf().parts);
  assert.equal([same.asked, same.used, configOf(out).kernels], [[], [kernels], kernels]);

  const other = { ...gpu, device: 'another GPU' };
  const there = { chosen: { other: 'plain' }, struck: {} };
  await calibrationStore(other).write(there);
  const moved = gpuParts(other);
  await resumeTransfer({ folder: out, json: false, steps: 30 }, moved.partsOf().parts);
  assert.equal([moved.asked, moved.used, configOf(out).kernels], [[], [there], there]);
});

test('a usual kernel that is struck out is kept in config.json, other strikes are not', async () => {
  const struck = { 'linear: usual': 'wrong numbers', 'linear: 64 threads': 'wrong numbers' };
  const { partsOf } = gpuParts(gpu, { chosen: {}, struck });
  await calibrationStore(gpu).write({ chosen: {}, struck: {} });
  const out = newOut();
  const { parts, heard } = partsOf();
  await transfer(options(out), parts);
  assert.equal(configOf(out).kernels, { chosen: {}, struck: { 'linear: usual': 'wrong numbers' } });
  assert.match(heard.stderr, /note: kernel struck out: linear: 64 threads: wrong numbers/);
});

test('--no-tune, SPLICE_GPU_TUNE=0 and software adapters leave the usual kernels, and no trace', async () => {
  const usual = { chosen: {}, struck: {} };
  const off = gpuParts();
  const switchedOff = gpuParts();
  const software = gpuParts({ ...gpu, software: true });
  const [a, b, c] = [newOut(), newOut(), newOut()];
  await transfer({ ...options(a), tune: false }, off.partsOf().parts);
  const { measureApart: _, ...without } = switchedOff.partsOf().parts;
  await transfer(options(b), without);
  await transfer(options(c), software.partsOf().parts);
  for (const [out, { asked, used }] of [[a, off], [b, switchedOff], [c, software]] as const) {
    assert.equal([asked, used], [[], [usual]]);
    assert.not('kernels' in configOf(out));
    assert.is(await resumeTransfer({ folder: out, json: false, steps: 30 }, gpuParts().partsOf().parts), 0);
    assert.not('kernels' in configOf(out));
  }
});

test('every training names what calibration takes, as JSON', async () => {
  for (const { name, start } of trainings) {
    const { partsOf, asked } = gpuParts({ ...gpu, device: name });
    await start(newOut(), partsOf().parts).catch((error: Error) => assert.unreachable(`${name}: ${error.message}`));
    assert.equal(asked.map(({ command }) => command), [name]);
    assert.equal(JSON.parse(JSON.stringify(asked[0]!.options)), asked[0]!.options);
  }
});

test('a calibration that fails costs speed only', async () => {
  const adapter = { ...gpu, device: 'failing' };
  const { parts, heard } = gpuParts(adapter).partsOf();
  const failing = { ...parts, measureApart: async () => Promise.reject(new Error('the driver is gone')) };
  assert.is(await transfer(options(newOut()), failing), 0);
  assert.match(heard.stderr, /note: not all kernels could be measured: the driver is gone/);
});

test('an interrupt while kernels are measured strikes none out', async () => {
  const store = calibrationStore({ ...gpu, device: 'interrupted' });
  await store.write({ chosen: { a: 'b' }, struck: { 'c: d': 'wrong numbers', 'e: f': UNFINISHED } });
  const controller = new AbortController();
  await failure(interruptible(store, controller.signal, Promise.reject(new Error('of another cause'))));
  assert.is(Object.keys((await store.read())!.struck).length, 2);
  controller.abort();
  await failure(interruptible(store, controller.signal, Promise.reject(new Error('aborted'))));
  assert.equal(await store.read(), { chosen: { a: 'b' }, struck: { 'c: d': 'wrong numbers' } });
});

/** A program in place of cli/measure.ts that does `body` with the number of its run, from 1, and the request. */
const fakeProgram = (body: string): string => temporaryFile('measure.mjs', Buffer.from(`
import { appendFileSync, readFileSync } from 'node:fs';
const request = JSON.parse(readFileSync(0, 'utf8'));
const counter = new URL('count', import.meta.url);
appendFileSync(counter, '.');
const number = readFileSync(counter, 'utf8').length;
const write = (line) => console.log(JSON.stringify(line));
${body}
`));

test('after a process that lost its device or was killed another one goes on', async () => {
  const lines: object[] = [];
  const program = fakeProgram(`
    if (number === 1) { write({ lost: request.command }); process.exitCode = 75; }
    else if (number === 2) process.kill(process.pid, 'SIGKILL');
    else write({ left: request.seconds < 100 ? number : -1 });
  `);
  assert.is(await measureApart({ command: 'tune', options: {}, seconds: 100 }, never, (line) => lines.push(line), program), 3);
  assert.equal(lines, [{ lost: 'tune' }, { left: 3 }]);
});

test('other ends of the process are errors with its reason', async () => {
  const request = { command: 'tune', options: {}, seconds: 1 };
  const failed = fakeProgram(`write({ error: 'no adapter' }); process.exitCode = 1;`);
  assert.is((await failure(measureApart(request, never, undefined, failed))).message, 'no adapter');
  const silent = fakeProgram('process.exitCode = 1;');
  assert.match((await failure(measureApart(request, never, undefined, silent))).message, /ended without a result/);
  const controller = new AbortController();
  const slow = fakeProgram('write({ left: 1 }); setTimeout(() => 0, 1e5);');
  const stopped = measureApart(request, controller.signal, () => controller.abort(), slow);
  assert.is((await failure(stopped)).name, 'AbortError');
});

test('the report shows kernels side by side, and what is struck out', () => {
  const kernels = [{ name: 'usual', ms: 2 }, { name: 'good', ms: 1 }, { name: 'bad', struck: 'wrong numbers' }];
  const rows = [{ kind: 'linear x 3', op: 'linear', count: 12, chosen: 'good', kernels }];
  const [chosen, struck] = [{ a: 'good', b: 'usual' }, { 'linear: bad': 'wrong numbers' }];
  const text = report({ rows, left: 2, chosen, struck, path: 'p.json' });
  assert.match(text, /linear +12x +usual +2\.0+\n +good +1\.0+ +\*\n +bad +struck out/);
  assert.match(text, /struck out: linear: bad: wrong numbers\n1 kinds of launches measured now, 2 left\n2 known, 1 with another/);
});

test('tune measures in a process of its own, and prints JSON', async () => {
  let stdout = '';
  const io = { stdout: { write: (text: string) => (stdout += text) }, stderr: { write: () => undefined }, interrupt: never };
  const size = ['--model', 'untrained', '--size', '64', '--vit-size', '32'];
  assert.is(await run(['node', 'splice-gpu', 'tune', ...size, '--seconds', '0.001', '--json'], io), 0);
  const { adapter, rows, left, chosen, path } = JSON.parse(stdout);
  assert.equal([rows, chosen], [[], {}]);
  assert.ok(left > 5 && adapter.software && path.startsWith(join(process.env['SPLICE_GPU_CACHE']!, 'splice-gpu')));
  assert.equal(JSON.parse(readFileSync(path, 'utf8')).struck, {});
});

test('a training asks for matrix units by its precision, and a resumed one has them if it began with them', () => {
  const f16 = { precision: 'f16' } as Training;
  assert.equal(deviceUse({} as Training, undefined), { precision: 'f32', units: true });
  assert.equal(deviceUse(f16, undefined), { precision: 'f16', units: true });
  assert.equal(deviceUse(f16, { device: gpu }), { precision: 'f16', units: false });
  const info = { vendor: 'test', architecture: '', device: 'a GPU', description: 'driver 1', isFallbackAdapter: false };
  const units = { type: 'f16', M: 16, N: 16, K: 16, lanes: 32, pinned: false } as const;
  const device = summarize({ info } as GPUAdapter, units);
  assert.equal(device, { ...gpu, units: 'f16 16x16x16' });
  assert.equal(deviceUse(f16, { device }), { precision: 'f16', units: true });
});

test.run();
