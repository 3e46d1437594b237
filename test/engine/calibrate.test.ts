/** Calibration with kernels that are good, slow, wrong, do not compile, lose the device and do not end. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  addNode, calibrate, candidateTunings, conv2d, createEngine, DeviceLostError, Graph, matmul, schedule, single, slice,
  traitsOf, tuningFor, type Calibration, type CalibrationReport, type Engine, type KernelVariant, type Op,
} from '../../engine/index.js';
import { fastest } from '../../engine/run/calibrate.js';
import { randomData, wrongness } from '../../engine/run/compare.js';
import { openDevice, testDevice } from '../helpers/device.js';
import { temporaryFolder } from '../helpers/pictures.js';
import { isTwice, kernels, twiceProgram, wrongOp } from '../helpers/twice.js';

const { good, slow, wrong, lazy, broken, absent, endless } = kernels;

/** A store in memory, and all that was written to it. */
function memory(kept?: Calibration) {
  const written: Calibration[] = kept ? [kept] : [];
  return {
    written,
    read: async () => written.at(-1),
    write: async (calibration: Calibration) => void written.push(structuredClone(calibration)),
  };
}

const engineOf = async (twice: Record<string, KernelVariant>, calibration?: Calibration): Promise<Engine> =>
  createEngine(await testDevice(), { candidates: { twice }, poison: true, ...(calibration && { calibration }) });

/** Why each kernel is struck out, and which were timed. */
function fates({ rows }: CalibrationReport) {
  const { kernels: all } = rows[0]!;
  return {
    struck: Object.fromEntries(all.flatMap(({ name, struck }) => (struck ? [[name, struck]] : []))),
    timed: all.filter(({ ms }) => ms !== undefined).map(({ name }) => name),
  };
}

test('the fastest right kernel is chosen; those that fail are struck out with the reason', async () => {
  const engine = await engineOf({ wrong, lazy, broken, absent, good, slow });
  const program = await twiceProgram(engine);
  const store = memory();
  const report = await calibrate(engine, program, { store });
  assert.is(report.rows.length, 1);
  const { chosen, op, count, kind } = report.rows[0]!;
  assert.equal([chosen, op, count], ['good', 'twice', 1]);
  const { struck, timed } = fates(report);
  assert.equal(Object.keys(struck), ['wrong', 'lazy', 'broken', 'absent']);
  assert.is(struck['wrong'], 'wrong numbers: row 0 of output 0 differs by 5.0e-4');
  assert.match(struck['lazy']!, /^wrong numbers/);
  assert.match(struck['broken']!, /twice: Error while parsing WGSL/);
  assert.is(struck['absent'], 'no such kernel');
  assert.not(timed.includes('slow'), 'a hopeless kernel is not timed to the end');
  assert.equal(store.written.at(-1), {
    chosen: { [kind]: 'good' }, struck: Object.fromEntries(Object.entries(struck).map(([name, why]) => [`twice: ${name}`, why])),
  });
  assert.match(program.launches[0]!.kernel.code, /turn == 1u/, 'the program runs it');
  assert.ok(await isTwice(program));
  assert.match((await twiceProgram(engine)).launches[0]!.kernel.code, /turn == 1u/, 'so have later programs');
});

test('without a faster kernel the usual one stays', async () => {
  const engine = await engineOf({ slow });
  const program = await twiceProgram(engine);
  const { rows } = await calibrate(engine, program);
  assert.is(rows[0]!.chosen, 'usual');
  assert.ok(await isTwice(program));
});

test('a kernel must be faster than the usual one by more than 5 %', () => {
  const of = (name: string, ms: number) => ({ name, times: [ms] });
  assert.is(fastest([of('usual', 1), of('a', 0.96)]), 'usual');
  assert.is(fastest([of('usual', 1), of('a', 0.94), of('b', 0.93)]), 'b');
  assert.is(fastest([of('a', 3), of('b', 2)]), 'b', 'a usual kernel that is struck out');
});

test('what is in the store is not measured again, and what is struck out there does not run', async () => {
  const { launcher } = await engineOf({});
  const kind = launcher.kindOf((await twiceProgram(await engineOf({}))).launches[0]!.node);
  const store = memory({ chosen: { [kind]: 'good' }, struck: { 'twice: endless': 'it never ended' } });
  const known = await engineOf({ good, endless });
  const report = await calibrate(known, await twiceProgram(known), { store });
  assert.equal([report.rows.length, report.left], [0, 0]);
  assert.is(store.written.length, 1);
  const again = await engineOf({ good, endless });
  const unknown = memory({ chosen: {}, struck: { 'twice: endless': 'it never ended' } });
  const { rows } = await calibrate(again, await twiceProgram(again), { store: unknown });
  assert.is(rows[0]!.chosen, 'good');
  assert.is(rows[0]!.kernels.find(({ name }) => name === 'endless')!.struck, 'it never ended');
});

test('before a kernel runs for the first time, the store has it struck out', async () => {
  const store = memory();
  const engine = await engineOf({ good });
  await calibrate(engine, await twiceProgram(engine), { store });
  const names = ['plain', 'usual', 'good'].map((name) => `twice: ${name}`);
  assert.equal(store.written.slice(0, 3).map(({ struck }) => Object.keys(struck)), names.map((name) => [name]));
  assert.equal(store.written.at(-1)!.struck, {});
});

test('a usual kernel that is wrong gives way to a right one, else to plain loops', async () => {
  for (const [candidates, chosen] of [[{ good }, 'good'], [{ broken }, 'plain']] as const) {
    const engine = await engineOf(candidates);
    const program = await twiceProgram(engine, wrongOp);
    assert.not(await isTwice(program));
    const report = await calibrate(engine, program);
    assert.is(report.rows[0]!.chosen, chosen);
    assert.match(fates(report).struck['usual']!, /^wrong numbers/);
    assert.ok(await isTwice(program));
  }
});

test('an engine can start with a choice; names that it does not know mean the usual kernel', async () => {
  const kind = (await engineOf({})).launcher.kindOf((await twiceProgram(await engineOf({}))).launches[0]!.node);
  const turns = async (calibration: Calibration): Promise<string> =>
    /turn == (\d+)u/.exec((await twiceProgram(await engineOf({ good }, calibration))).launches[0]!.kernel.code)![1]!;
  assert.is(await turns({ chosen: { [kind]: 'good' }, struck: {} }), '1');
  assert.is(await turns({ chosen: { [kind]: 'of a later version' }, struck: {} }), '2000');
  assert.is(await turns({ chosen: { [kind]: 'good' }, struck: { 'twice: good': 'wrong' } }), '2000');
  assert.is(await turns({ chosen: {}, struck: { 'twice: usual': 'wrong' } }), '4000', 'plain loops');
});

test('when time is up, the rest keeps the usual kernel and is left for the next time', async () => {
  const engine = await engineOf({ good });
  const program = await twiceProgram(engine);
  const store = memory();
  const { rows, left } = await calibrate(engine, program, { seconds: 0, store });
  assert.equal([rows.length, left], [0, 1]);
  assert.equal(store.written.at(-1), { chosen: {}, struck: {} });
  assert.is((await calibrate(engine, program, { store })).rows[0]!.chosen, 'good');
});

test('a kernel that loses the device is struck out', async () => {
  const device = await openDevice();
  const store = memory();
  let asked = 0;
  const fatal: KernelVariant = () => {
    if (++asked === 2) device.destroy(); // first it is asked whether there is a choice
    return good();
  };
  const engine = createEngine(device, { candidates: { twice: { fatal } } });
  const error = await calibrate(engine, await twiceProgram(engine), { store }).then(() => undefined, (reason: Error) => reason);
  assert.instance(error, DeviceLostError);
  assert.match(error!.message, /^twice: fatal is struck out: the GPU device was lost/);
  assert.match(store.written.at(-1)!.struck['twice: fatal']!, /^the GPU device was lost/);
});

test('a kernel that does not end is struck out, and the next process goes on without it', () => {
  const script = fileURLToPath(new URL('../helpers/endless.js', import.meta.url));
  const path = join(temporaryFolder(), 'calibration.json');
  const outcome = () => JSON.parse(String(spawnSync(process.execPath, [script, path], { timeout: 120_000 }).stdout));
  const why = 'its launch does not end within 3 s';
  assert.equal(outcome(), { error: `DeviceLostError: twice: endless is struck out: ${why}` });
  assert.equal(JSON.parse(readFileSync(path, 'utf8')), { chosen: {}, struck: { 'twice: endless': why } });
  assert.equal(outcome(), { chosen: 'good', isRight: true });
});

test('sizes of a program take the choice that was made for its largest sizes', async () => {
  const build = (side: number) => {
    const g = new Graph();
    return { y: matmul(slice(g.parameter('calibrate.a', [64, 24]), 0, 0, side), g.parameter('calibrate.b', [24, 20])) };
  };
  const plain = await engineOf({});
  const kindAt = (side: number): string => plain.launcher.kindOf(schedule(Object.values(build(side))).launches.at(-1)!);
  assert.is.not(kindAt(64), kindAt(8));
  const engine = await engineOf({}, { chosen: { [kindAt(64)]: 'plain' }, struck: {} });
  const program = await engine.compile(build(64));
  const variant = program.variant(build(8));
  assert.ok(variant, 'the smaller size needs no program of its own');
  await program.replace(program.launches.map(({ kernel }) => kernel));
  assert.throws(() => program.use(variant!), /belongs to other kernels/);
});

test('every kernel of a convolution that a GPU may get is right', async () => {
  const tuning = { name: 'gpu', software: false, queue: false, subgroupSize: 0, workgroupSize: 256 };
  const engine = createEngine(await testDevice(), { tuning, poison: true });
  const g = new Graph();
  const y = conv2d(g.input('x', [1, 5, 9, 7]), g.input('w', [20, 5, 3, 3]));
  const { rows } = await calibrate(engine, schedule([y]).launches, { seconds: 1000, bound: 120_000 });
  const names = rows[0]!.kernels.map(({ name }) => name);
  assert.ok(names.some((name) => name.endsWith('channels')), names.join());
  assert.equal(engine.launcher.calibration.struck, {});
});

test('half precision is checked with its own tolerance, row by row', () => {
  const op: Op = { name: 'rows', shapes: ([x]) => [x!.shape] };
  const g = new Graph();
  const node = addNode(op, [g.input('x', [2, 3])], {}).node;
  const half = g.half(() => addNode(op, [g.input('z', [2, 3])], {})).node;
  const right = Float32Array.of(1, 2, 3, 1000, 2000, 3000);
  const off = (i: number, by: number): Float32Array => right.map((value, at) => (at === i ? value + by : value));
  assert.is(wrongness(node, [right], [right]), undefined);
  assert.is(wrongness(node, [off(0, 0.1)], [right]), 'row 0 of output 0 differs by 3.3e-3', 'small beside the other row');
  assert.is(wrongness(half, [off(4, 5)], [right]), undefined);
  assert.match(wrongness(node, [off(4, 5)], [right])!, /row 1/);
  assert.match(wrongness(node, [off(4, NaN)], [right])!, /row 1 of output 0 differs by Infinity/);
  assert.is(wrongness(node, [off(4, NaN)], [off(4, NaN)]), undefined);
});

test('random inputs have both signs, no pattern along an axis, and are the same every time', () => {
  const data = randomData([300, 500], 1);
  assert.equal(data, randomData([300, 500], 1));
  assert.is.not(data[0], randomData([300, 500], 2)[0]);
  assert.ok(data.every((value) => value >= -1 && value < 1));
  const mean = data.reduce((sum, value) => sum + value, 0) / data.length;
  const square = data.reduce((sum, value) => sum + value * value, 0) / data.length;
  assert.ok(Math.abs(mean) < 0.01 && Math.abs(square - 1 / 3) < 0.01, `${mean} ${square}`);
});

test('a launch taken out of a program keeps the types of its tensors', () => {
  const g = new Graph();
  const y = g.half(() => matmul(g.parameter('a', [4, 4]), g.parameter('b', [4, 4])));
  const { y0 } = single(y.node);
  assert.equal([y0!.dtype, ...y0!.node.inputs.map(({ dtype }) => dtype)], ['f16', 'f16', 'f16']);
});

test('a tuning without subgroups has a kernel without them among its candidates', async () => {
  const gpu = tuningFor({ ...traitsOf(await testDevice()), description: '', isFallback: false, subgroupSize: 32 });
  assert.is(candidateTunings(gpu)['without subgroups']!.subgroupSize, 0);
  assert.not(Object.hasOwn(candidateTunings({ ...gpu, subgroupSize: 0 }), 'without subgroups'));
});

test.run();
