/** `bench`: results, variants and comparisons on the test device. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { bench, type BenchOptions } from '../../cli/bench/bench.js';
import { compare, readResult } from '../../cli/bench/result.js';
import { createEngine, Graph, measureRoof, noise, profile, scale, single } from '../../engine/index.js';
import { testDevice } from '../helpers/device.js';
import { fakeParts } from '../helpers/fakeRun.js';

const adapter = { vendor: 'test', architecture: '', device: 'test', driver: '', software: true };
const plainLinear = fileURLToPath(new URL('../../../test/bench/variants/plainLinear.mjs', import.meta.url));

const tiny: BenchOptions = {
  what: 'step', model: ['untrained'], recipe: ['splice'], size: 40, vitSize: 32, checkpointing: false, precision: 'f32',
  repeats: 1, json: true,
};

/** Runs `bench` on the test device and returns its output. */
async function run(change: Partial<BenchOptions>): Promise<string> {
  let printed = '';
  const engine = createEngine(await testDevice());
  const openEngine = async () => ({ engine, adapter, close: () => engine.destroy() });
  const stdout = { write: (text: string) => (printed += text) };
  const code = await bench({ ...tiny, ...change }, { ...fakeParts().parts, openEngine, stdout });
  assert.is(code, 0);
  return printed;
}

const folder = await mkdtemp(join(tmpdir(), 'bench-'));
test.after(() => rm(folder, { recursive: true }));

test('a step is measured by part and by op, saved, and compared', async () => {
  const save = join(folder, 'step.json');
  const result = JSON.parse(await run({ save }));
  assert.equal(JSON.parse(await readFile(save, 'utf8')), result);
  const names: string[] = result.rows.map((row: { name: string }) => row.name);
  const expected = ['generator', 'generator backward', 'resize', 'ViT', 'ViT backward', 'losses', 'optimiser'];
  for (const part of expected) assert.ok(names.includes(`part ${part}`), part);
  assert.ok(names.includes('op attention') && names.includes('step') && names.includes('encode'));
  assert.ok(result.rows.every((row: { ms: number }) => row.ms >= 0 && Number.isFinite(row.ms)));
  assert.ok(result.figures.slotBytes >= result.figures.lowerBoundBytes);

  const text = await run({ json: false, against: save, filter: 'batchnorm' });
  assert.match(text, /against .*step\.json\n/);
  assert.match(text, /\nbatchnorm /);
  assert.not.match(text, /\nconv2d /);
});

test('--plan prints the memory of a step without a device', async () => {
  let printed = '';
  const none = () => Promise.reject(new Error('opened a device'));
  const parts = { ...fakeParts().parts, openEngine: none, stdout: { write: (text: string) => (printed += text) } };
  await bench({ ...tiny, model: ['vit-base-8'], size: 512, plan: true }, parts);
  const { slotBytes, lowerBoundBytes, launches } = JSON.parse(printed);
  assert.ok(lowerBoundBytes > 3e8 && slotBytes >= lowerBoundBytes && slotBytes < 1.15 * lowerBoundBytes, printed);
  assert.ok(launches > 100);
});

test('detail: seconds with and without texture, memory, and share of the ceiling', async () => {
  const { rows, figures } = JSON.parse(await run({ what: 'detail', size: 60 }));
  assert.equal(rows.map(({ name }: { name: string }) => name), ['detail', 'detail of the structure alone']);
  assert.ok(rows.every(({ ms }: { ms: number }) => ms > 0));
  assert.equal([figures.width, figures.height], [107, 60]);
  assert.ok(figures.gflop > 0 && figures.ofRoof > 0 && figures.heldBytes > 0 && figures.peakBytes > figures.heldBytes);
});

test('kernels: the real launches of a step, and a variant from a file next to them', async () => {
  const { rows } = JSON.parse(await run({ what: 'kernels', filter: 'linear [2, 17, 64]', variant: [plainLinear] }));
  const usual = rows.filter((row: { variant: string }) => row.variant === 'usual');
  const plain = rows.filter((row: { variant: string }) => row.variant === 'plain');
  assert.ok(usual.length > 0 && plain.length === usual.length);
  for (const { gflops, ofRoof, count } of usual) assert.ok(gflops > 0 && ofRoof > 0 && count > 0);
  for (const { error } of plain) assert.ok(error < 1e-5, `error ${error}`);
});

test('kernels: a wrong variant is visible', async () => {
  const wrong = join(folder, 'wrong.mjs');
  const kernel = '(node, usual) => ({ ...usual, dims: [usual.dims[0], 0] })';
  await writeFile(wrong, `export default { name: 'wrong', op: 'mseBackward', kernel: ${kernel} };`);
  const { rows } = JSON.parse(await run({ what: 'kernels', filter: 'mseBackward', variant: [wrong] }));
  assert.ok(rows.some((row: { variant: string; error?: number }) => row.variant === 'wrong' && row.error! > 0.5));
});

test('files that are not variants or results are refused by name', async () => {
  const file = join(folder, 'empty.mjs');
  await writeFile(file, 'export default {};');
  const fails = async (change: Partial<BenchOptions>, text: RegExp) =>
    assert.match(await run(change).then(() => 'nothing', (error: Error) => error.message), text);
  await fails({ what: 'kernels', variant: [file] }, /empty\.mjs exports no variant/);
  await fails({ what: 'kernels', variant: [join(folder, 'none.mjs')] }, /none\.mjs cannot be loaded/);
  await fails({ against: join(folder, 'none.json') }, /none\.json does not exist/);
  await writeFile(join(folder, 'roof.json'), JSON.stringify({ what: 'roof', rows: [] }));
  await fails({ against: join(folder, 'roof.json') }, /holds bench roof: compare it with bench roof, not step/);
});

test('a difference counts only above the noise of both', () => {
  const row = (ms: number, noise: number) => [{ name: 'x', ms, noise }];
  assert.is(compare(row(10, 0.01), row(8, 0.01))[0]!.verdict, 'faster');
  assert.is(compare(row(8, 0.01), row(10, 0.01))[0]!.verdict, 'slower');
  assert.is(compare(row(10, 0.1), row(9, 0.1))[0]!.verdict, '');
  assert.is(compare(row(10, 0), row(9.9, 0))[0]!.verdict, '');
  assert.equal(compare(row(10, 0), [{ name: 'y', ms: 1, noise: 0 }]), []);
  assert.is(noise([1, 1, 1]), 0);
  assert.ok(Math.abs(noise([8, 9, 10, 11, 12]) - 0.1) < 1e-9);
});

test('profile(program) is the table of bench, from the library', async () => {
  const engine = createEngine(await testDevice());
  const g = engine.graph();
  const program = await engine.compile({ y: g.part('first', () => scale(g.input('x', [64]), 2)) });
  const { rows, toString } = await profile(program, 1);
  assert.is(rows[0]!.part, 'first');
  assert.match(toString(), /^part .*\nfirst .*\n\nop .*\nmul /);
});

test('the ceilings are above what any kernel reaches, and a launch runs alone', async () => {
  const roof = await measureRoof(createEngine(await testDevice()), 1);
  assert.ok(roof.gflops > 0.1 && roof.gbPerSecond > 0.01);
  const g = new Graph();
  const x = g.input('a', [4]);
  const outputs = single(scale(x, 3).node);
  assert.equal(outputs['y0']!.node.inputs.map((t) => t.shape), [[4], [1]]);
});

test('readResult reads a saved result', async () => {
  const path = join(folder, 'saved.json');
  await writeFile(path, JSON.stringify({ what: 'roof', rows: [{ name: 'x', ms: 1, noise: 0 }] }));
  assert.is((await readResult(path, 'roof')).rows.length, 1);
});

test.run();
