/** Programs on the device: running, sharing, embedding, profiling, and errors as types. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  add, createEngine, DeviceLostError, FeatureError, gradients, KernelError, mul, OutOfMemoryError, pack, profile, scale,
  showProfile, slice, sum, view, type Op, type Tensor,
} from '../../engine/index.js';
import { isDawnForNode } from '../../engine/run/patience.js';
import { openDevice, testDevice, testEngine } from '../helpers/device.js';

test('writes inputs, runs and reads outputs by tensor or by name', async () => {
  const engine = await testEngine();
  const g = engine.graph();
  const x = g.input('x', [3]);
  const y = add(x, g.constant(new Float32Array([10, 20, 30])));
  const program = await engine.compile({ y });
  program.write(x, [1, 2, 3]);
  program.run();
  assert.equal([...(await program.read(y))], [11, 22, 33]);
  program.write('x', [0, 0, 0]);
  program.run();
  assert.equal([...(await program.read('y'))], [10, 20, 30]);
  assert.throws(() => program.write('x', [1]), /input x takes 3 values, got 1/);
  assert.throws(() => program.buffer('z'), /no output or input named "z"/);
  program.destroy();
  assert.throws(() => program.run(), /used after destroy/);
});

test('gradients for a given gradient of the output, which may be made after it', async () => {
  const engine = await testEngine();
  const g = engine.graph();
  const x = g.input('x', [3]);
  const y = mul(x, x);
  const [dx] = gradients(y, [x], scale(g.input('dy', [3]), 10));
  const program = await engine.compile({ dx: dx! });
  program.write(x, [1, 2, 3]);
  program.write('dy', [1, 0, -1]);
  program.run();
  assert.equal([...(await program.read('dx'))], [20, 0, -60]);
  program.destroy();
});

test('tensors of a half scope hold float16: half the memory, three digits, the same names in one precision only', async () => {
  const engine = await testEngine();
  const [third, large] = [Math.fround(1 / 3), 3000.7];
  engine.writeParameter('half.w', [3], new Float32Array([third, large, -2]), 'f16');
  assert.equal([...(await engine.readParameter('half.w'))], [0.333251953125, 3000, -2]);
  const g = engine.graph();
  const x = g.input('x', [3]);
  const y = g.half(() => mul(x, g.parameter('half.w', [3])));
  const z = scale(y, 2);
  assert.equal([x.dtype, y.dtype, z.dtype], ['f32', 'f16', 'f32']);
  const program = await engine.compile({ y, z });
  program.write('x', [1, 1, 0.1]);
  program.run();
  assert.is(program.buffer('y').size, 6);
  assert.equal([...(await program.read('y'))], [0.333251953125, 3000, -0.199951171875]);
  assert.equal([...(await program.read('z'))], [0.66650390625, 6000, -0.39990234375]);
  program.destroy();
  const other = engine.graph();
  const refused = await engine.compile({ y: scale(other.parameter('half.w', [3]), 1) }).catch(String);
  assert.match(refused as string, /parameter half.w: holds f16, requested as f32/);
});

test("the device of the tests is known as one of Dawn's bindings for Node, which poll", async () => {
  assert.ok(isDawnForNode(await testDevice()));
});

test('a device without float16 refuses it', async () => {
  const device = await openDevice({ plain: true });
  const engine = createEngine(device);
  const g = engine.graph();
  const y = g.half(() => scale(g.input('x', [3]), 2));
  assert.instance(await engine.compile({ y }).catch((error: unknown) => error), FeatureError);
  assert.throws(() => engine.writeParameter('w', [1], new Float32Array(1), 'f16'), /needs the feature shader-f16/);
  engine.destroy();
  device.destroy();
});

test('parameters are shared by programs and keep their values', async () => {
  const engine = await testEngine();
  const [a, b] = [engine.graph(), engine.graph()];
  engine.writeParameter('shared.w', [2], new Float32Array([2, 3]));
  const twice = await engine.compile({ y: scale(a.parameter('shared.w', [2]), 2) });
  const square = await engine.compile({ y: mul(b.parameter('shared.w', [2]), b.parameter('shared.w', [2])) });
  for (const p of [twice, square]) p.run();
  assert.equal([...(await twice.read('y'))], [4, 6]);
  assert.equal([...(await square.read('y'))], [4, 9]);
  assert.equal([...(await engine.readParameter('shared.w'))], [2, 3]);
  assert.throws(() => engine.writeParameter('shared.w', [2], new Float32Array(3)), /3 values for \[2\]/);
});

test('runs inside the caller\'s pass, on the caller\'s own buffers', async () => {
  const device = await testDevice();
  const engine = createEngine(device);
  const g = engine.graph();
  const x = g.input('x', [4]);
  const program = await engine.compile({ y: scale(x, 3) });
  const own = device.createBuffer({ size: 16, usage: 4 | 8 });
  device.queue.writeBuffer(own, 0, new Float32Array([1, 2, 3, 4]));
  const result = device.createBuffer({ size: 16, usage: 1 | 8 });
  const encoder = device.createCommandEncoder();
  const [into, from] = [program.buffer(x), program.buffer('y')];
  encoder.copyBufferToBuffer(own, 0, into.buffer, into.offset, into.size);
  const pass = encoder.beginComputePass();
  program.encode(pass);
  pass.end();
  encoder.copyBufferToBuffer(from.buffer, from.offset, result, 0, from.size);
  device.queue.submit([encoder.finish()]);
  await result.mapAsync(1);
  assert.equal([...new Float32Array(result.getMappedRange())], [3, 6, 9, 12]);
});

test('another size makes no new pipeline, and a smaller one no new memory', async () => {
  const engine = createEngine(await testDevice());
  const build = (n: number) => {
    const g = engine.graph();
    const x = g.input('x', [n]);
    return engine.compile({ y: sum(mul(scale(x, 2), x)) });
  };
  const first = await build(5000);
  const [pipelines, held] = [engine.pipelines.size(), engine.buffers.heldBytes()];
  const second = await build(777);
  assert.is(engine.pipelines.size(), pipelines);
  assert.is(engine.buffers.heldBytes(), held);
  for (const [program, n] of [[first, 5000], [second, 777], [first, 5000]] as const) {
    program.write('x', new Float32Array(n).fill(1));
    program.run();
    assert.is((await program.read('y'))[0], 2 * n);
  }
});

test('a variant runs smaller sizes with the launches and memory of a program', async () => {
  const engine = createEngine(await testDevice(), { poison: true });
  const build = (n: number): Record<string, Tensor> => {
    const table = engine.graph().parameter('variant.table', [1000]);
    return { y: sum(mul(scale(slice(table, 0, 0, n), 2), slice(table, 0, 1, n + 1))), part: scale(slice(table, 0, 0, n), 3) };
  };
  engine.writeParameter('variant.table', [1000], new Float32Array(1000).fill(1));
  const program = await engine.compile(build(900));
  const [pipelines, held] = [engine.pipelines.size(), engine.buffers.heldBytes()];
  const variant = program.variant(build(77))!;
  for (const [use, n] of [[variant, 77], [program.base, 900], [variant, 77]] as const) {
    program.use(use);
    program.run();
    assert.is((await program.read('y'))[0], 2 * n);
    assert.equal([...(await program.read('part'))], Array(n).fill(3));
  }
  assert.is(engine.pipelines.size(), pipelines);
  assert.is(engine.buffers.heldBytes(), held);
  assert.is(program.variant(build(950)), undefined, 'larger than what the program was compiled for');
  const other = engine.graph();
  assert.is(program.variant({ y: sum(other.parameter('variant.table', [1000])) }), undefined, 'another computation');
});

test('a larger program grows the shared slots and the smaller one still runs', async () => {
  const engine = createEngine(await testDevice(), { poison: true });
  const build = (n: number) => engine.compile({ y: sum(scale(engine.graph().input('x', [n]), 2)) });
  const [small, large] = [await build(100), await build(10000)];
  for (const [program, n] of [[small, 100], [large, 10000]] as const) {
    program.write('x', new Float32Array(n).fill(1));
    program.run();
    assert.is((await program.read('y'))[0], 2 * n);
  }
});

test('flat parameters: views are read, gradients packed', async () => {
  const engine = await testEngine();
  const g = engine.graph();
  engine.writeParameter('flat.w', [128], Float32Array.from({ length: 128 }, (_, i) => i));
  const w = g.parameter('flat.w', [128]);
  const flat = pack([scale(view(w, [3], 0), 10), scale(view(w, [2], 64), 100)]);
  const program = await engine.compile({ flat });
  program.run();
  const y = await program.read('flat');
  assert.equal([...y.slice(0, 3), ...y.slice(64, 66)], [0, 10, 20, 6400, 6500]);
});

test('a profile has a row per launch', async () => {
  const engine = await testEngine();
  const g = engine.graph();
  const program = await engine.compile({ y: sum(scale(g.input('x', [1000]), 2)) });
  program.write('x', new Float32Array(1000));
  const { rows } = await profile(program, 3);
  assert.equal(rows.map((r) => r.op), ['mul', 'sum']);
  assert.ok(rows.every((r) => r.ms >= 0 && r.bytes > 0));
  assert.match(showProfile(rows), /mul +1/);
});

const broken = (code: string): Op =>
  ({ name: 'broken', shapes: ([x]) => [x!.shape], kernel: () => ({ code, workgroups: [1, 1, 1] }) });

test('a kernel that does not compile is a KernelError with the numbered source', async () => {
  const engine = await testEngine();
  const g = engine.graph();
  const y = g.add(broken('@compute @workgroup_size(1)\nfn main() { let x = nonsense; }'), [g.input('x', [4])], {})[0]!;
  try {
    await engine.compile({ y });
    assert.unreachable('compiled nonsense');
  } catch (error) {
    assert.instance(error, KernelError);
    assert.match((error as Error).message, /%1 broken: [^]*nonsense[^]* {3}2 \| fn main/);
  }
});

test('overrides are checked: Dawn would cut 4.9 to 4', async () => {
  const engine = await testEngine();
  const g = engine.graph();
  const op: Op = {
    name: 'cut', shapes: ([x]) => [x!.shape],
    kernel: () =>
      ({ code: 'override N: u32; @compute @workgroup_size(N) fn main() {}', constants: { N: 4.9 }, workgroups: [1, 1, 1] }),
  };
  try {
    await engine.compile({ y: g.add(op, [g.input('x', [4])], {})[0]! });
    assert.unreachable();
  } catch (error) {
    assert.match((error as Error).message, /override N must be an integer, got 4.9/);
  }
});

test('a launch that the device refuses is a KernelError at the next sync', async () => {
  const engine = createEngine(await testDevice());
  const g = engine.graph();
  const code = '@compute @workgroup_size(1) fn main() {}';
  const op: Op = { name: 'huge', shapes: ([x]) => [x!.shape], kernel: () => ({ code, workgroups: [70000, 1, 1] }) };
  const program = await engine.compile({ y: g.add(op, [g.input('x', [4])], {})[0]! });
  program.run();
  const error = await engine.sync().then(() => undefined, (e: unknown) => e);
  assert.instance(error, KernelError);
});

test('a tensor that the device cannot hold is an OutOfMemoryError with the sizes', async () => {
  const engine = createEngine(await testDevice());
  const g = engine.graph();
  const y = scale(g.input('x', [2 ** 31]), 2);
  const error = await engine.compile({ y }).then(() => undefined, (e: unknown) => e);
  assert.instance(error, OutOfMemoryError);
  assert.match((error as Error).message, /needs 8192.0 MiB, this device binds at most .* MiB/);
});

test('a lost device is a DeviceLostError', async () => {
  const device = await openDevice();
  const engine = createEngine(device);
  const g = engine.graph();
  const program = await engine.compile({ y: scale(g.input('x', [4]), 2) });
  program.run();
  device.destroy();
  await device.lost;
  assert.throws(() => program.run(), (e: Error) => e instanceof DeviceLostError);
  const error = await engine.sync().then(() => undefined, (e: unknown) => e);
  assert.instance(error, DeviceLostError);
});

test('a variable with a value in a loop is set again each time: the reason for the rule on `var`', async () => {
  const engine = await testEngine();
  const g = engine.graph();
  const op: Op = {
    name: 'loop', shapes: () => [[1]],
    kernel: () => ({
      code: `@group(0) @binding(0) var<storage, read> x: array<f32>;
             @group(0) @binding(1) var<storage, read_write> y: array<f32>;
             @compute @workgroup_size(1) fn main() {
               var most = 0.0;
               for (var i = 0u; i < 4u; i++) { var v = vec4f(); v.x += x[i]; most = max(most, v.x); }
               y[0] = most;
             }`,
      workgroups: [1, 1, 1],
    }),
  };
  const program = await engine.compile({ y: g.add(op, [g.input('x', [4])], {})[0]! });
  program.write('x', [1, 1, 1, 1]);
  program.run();
  assert.is((await program.read('y'))[0], 1);
});

test.run();
