/** The contract with a host: its buffers, textures, passes, error scopes and device. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  adam, adamHyper, add, conv2d, createEngine, deviceDescriptor, DeviceLostError, EngineError, gradients, KernelError, matmul,
  mse, planarToTexture, scale, sizeOf, softmax, sum, textureToPlanar, UseError, type Engine, type Op, type Program, type Tensor,
} from '../../engine/index.js';
import { openDevice, testDevice } from '../helpers/device.js';

const COPY_SRC = 4, COPY_DST = 8, STORAGE = 128;

const newEngine = async (label?: string): Promise<Engine> =>
  createEngine(await testDevice(), { poison: true, ...(label !== undefined && { label }) });

function hostBuffer(device: GPUDevice, values: readonly number[], offset = 0, usage = STORAGE | COPY_SRC | COPY_DST): GPUBuffer {
  const bytes = offset + Math.max(16, Math.ceil(values.length / 4) * 16);
  const buffer = device.createBuffer({ label: 'of the host', size: bytes, usage });
  if (usage & COPY_DST) device.queue.writeBuffer(buffer, offset, new Float32Array(values));
  return buffer;
}

async function valuesOf(device: GPUDevice, buffer: GPUBuffer, offset: number, count: number): Promise<number[]> {
  const target = device.createBuffer({ size: 4 * count, usage: 1 | COPY_DST });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, offset, target, 0, 4 * count);
  device.queue.submit([encoder.finish()]);
  await target.mapAsync(1);
  return [...new Float32Array(target.getMappedRange())];
}

/** Records with `encode`, and returns what to submit. */
function recorded(device: GPUDevice, ...encode: ((pass: GPUComputePassEncoder) => void)[]): GPUCommandBuffer {
  const encoder = device.createCommandEncoder();
  for (const each of encode) {
    const pass = encoder.beginComputePass();
    each(pass);
    pass.end();
  }
  return encoder.finish();
}

/** y = 2 softmax(x w), of three launches. */
async function chain(engine: Engine, N = 4): Promise<Program> {
  const g = engine.graph();
  const x = g.input('x', [N, N]);
  const y = scale(softmax(matmul(x, g.input('w', [N, N]))), 2);
  return engine.compile({ y, x });
}

const badly = async (work: () => unknown, pattern: RegExp): Promise<void> => {
  const error = await Promise.resolve().then(work).then(() => undefined, (e: unknown) => e);
  assert.instance(error, UseError, String(error));
  assert.match((error as Error).message, pattern);
};

test('inputs and outputs live in buffers of the host, without a copy, and outlive the engine', async () => {
  const engine = await newEngine();
  const { device } = engine;
  const g = engine.graph();
  const x = g.input('x', [5]);
  const [y, z] = [scale(x, 3), add(x, g.input('b', [5]))];
  const program = await engine.compile({ y, z });
  const before = program.ownBytes();
  const step = device.limits.minStorageBufferOffsetAlignment;
  const [from, to] = [hostBuffer(device, [1, 2, 3, 4, 5], step), hostBuffer(device, [])];
  const groups = program.launches.map(({ bindGroup }) => bindGroup);
  const larger = hostBuffer(device, [0, 0, 0, 0, 0], 2 * step);
  program.bind('y', { buffer: larger, offset: 2 * step });
  program.prepare();
  const isNew = program.launches.map(({ bindGroup }, i) => bindGroup !== groups[i]);
  assert.equal(isNew, program.launches.map(({ node }) => node.op.name === 'mul'), 'only the launch that writes y is bound again');
  program.bind('x', { buffer: from, offset: step });
  program.write('b', [10, 10, 10, 10, 10]);
  program.run();
  assert.equal(await valuesOf(device, larger, 2 * step, 5), [3, 6, 9, 12, 15]);
  assert.equal([...(await program.read('z'))], [11, 12, 13, 14, 15]);
  assert.equal([...(await program.read('y'))], [3, 6, 9, 12, 15], 'read follows the buffer');
  assert.is(program.buffer('x').buffer, from);
  assert.ok(program.ownBytes() < before, `${program.ownBytes()} of ${before} bytes`);

  program.write('x', [0, 0, 0, 0, 7]);
  assert.equal(await valuesOf(device, from, step, 5), [0, 0, 0, 0, 7], 'write follows the buffer');
  program.bind('x', undefined);
  program.write('x', [1, 1, 1, 1, 1]);
  program.run();
  assert.equal([...(await program.read('y'))], [3, 3, 3, 3, 3]);
  assert.equal(await valuesOf(device, from, step, 5), [0, 0, 0, 0, 7]);
  program.destroy();
  engine.destroy();
  assert.equal(await valuesOf(device, larger, 2 * step, 5), [3, 3, 3, 3, 3], 'still the host\'s');
  assert.equal(await valuesOf(device, to, 0, 4), [0, 0, 0, 0]);
});

test('an output of one program is the input of another', async () => {
  const engine = await newEngine();
  const build = (factor: number) => engine.compile({ y: scale(engine.graph().input('x', [3]), factor) });
  const [first, second] = [await build(2), await build(5)];
  second.bind('x', first.buffer('y'));
  first.write('x', [1, 2, 3]);
  first.run();
  second.run();
  assert.equal([...(await second.read('y'))], [10, 20, 30]);
});

test('buffers that a launch cannot take are refused before the device is asked', async () => {
  const engine = await newEngine();
  const { device } = engine;
  const g = engine.graph();
  engine.writeParameter('p', [8], new Float32Array(8));
  const x = g.input('x', [8]);
  g.input('unused', [8]);
  const program = await engine.compile({ y: scale(x, 2), p: g.parameter('p', [8]), z: scale(add(x, x), 2) });
  const good = hostBuffer(device, Array(8).fill(1));
  const buffer = hostBuffer(device, Array(8).fill(0), 256);
  const copied = hostBuffer(device, Array(8).fill(0), 0, COPY_DST);
  await badly(() => program.bind('x', { buffer: copied }), /without GPUBufferUsage.STORAGE/);
  await badly(() => program.bind('x', { buffer, offset: 20 }), /offset of 20 bytes is not a multiple of \d+/);
  await badly(() => program.bind('x', { buffer: hostBuffer(device, [1, 2, 3]) }), /needs 32 bytes .* its buffer has 16/);
  await badly(() => program.bind('x', { buffer, offset: 512 }), /needs 32 bytes .* from offset 512, its buffer has 288/);
  await badly(() => program.bind('p', { buffer: good }), /p cannot be bound: its memory is a parameter/);
  await badly(() => program.bind('X', { buffer: good }), /no input named "X": it has x$/);
  program.bind('unused', { buffer: good });
  program.bind('x', { buffer });
  await badly(() => program.bind('y', { buffer, offset: 256 }), /mul would read and write one buffer \("of the host"\)/);
  program.write('x', Array(8).fill(3));
  program.run();
  assert.equal([...(await program.read('y'))], Array(8).fill(6), 'the refused binding changed nothing');
  const mute = await engine.compile({ y: scale(engine.graph().input('x', [4]), 2) });
  mute.bind('x', { buffer: hostBuffer(device, [], 0, STORAGE) });
  mute.bind('y', { buffer: hostBuffer(device, [], 0, STORAGE) });
  await badly(() => mute.write('x', [1, 2, 3, 4]), /without GPUBufferUsage.COPY_DST/);
  await badly(() => mute.read('y'), /without GPUBufferUsage.COPY_SRC/);
});

test('a buffer of the host is a parameter', async () => {
  const engine = await newEngine();
  const { device } = engine;
  const w = hostBuffer(device, [1, 2, 3, 4]);
  const held = engine.buffers.heldBytes();
  engine.parameterFrom('w', [2, 2], w);
  assert.is(engine.buffers.heldBytes(), held, 'it is not counted as the engine\'s');
  const program = await engine.compile({ y: scale(engine.graph().parameter('w', [2, 2]), 2) });
  program.run();
  assert.equal([...(await program.read('y'))], [2, 4, 6, 8]);
  engine.writeParameter('w', [4], Float32Array.of(5, 6, 7, 8));
  assert.equal(await valuesOf(device, w, 0, 4), [5, 6, 7, 8]);
  await badly(() => engine.parameterFrom('w', [2, 2], w), /has one of this name/);
  await badly(() => engine.parameterFrom('v', [9], w), /parameter v: it needs 48 bytes/);
  engine.destroy();
  assert.equal(await valuesOf(device, w, 0, 4), [5, 6, 7, 8]);
});

const coded = (c: number): number => (c <= 0.0031308 ? 12.92 * c : 1.055 * c ** (1 / 2.4) - 0.055);

for (const flipY of [false, true]) {
  for (const linear of [false, true]) {
    test(`a texture and planes, ${linear ? 'linear light' : 'coded'}${flipY ? ', bottom row first' : ''}`, async () => {
      const engine = await newEngine();
      const { device } = engine;
      const [width, height] = [11, 9]; // no multiples of a workgroup
      const usage = 1 | 2 | 4 | 8; // copies, textures, storage
      const make = (label: string) => device.createTexture({ label, size: [width, height], format: 'rgba32float', usage });
      const [source, target] = [make('source'), make('target')];
      const colour = (x: number, y: number, c: number): number => ((x + 3 * y + 7 * c) % 13) / 12;
      const texels = Float32Array.from({ length: 4 * width * height }, (_, i) => {
        const [c, x, y] = [i % 4, Math.floor(i / 4) % width, Math.floor(i / 4 / width)];
        return c === 3 ? 0.5 : colour(x, y, c);
      });
      device.queue.writeTexture({ texture: source }, texels, { bytesPerRow: 16 * width }, [width, height]);
      const program = await engine.compile({ y: scale(engine.graph().input('x', [1, 3, height, width]), 1) });
      const into = await textureToPlanar(engine, { linear, flipY });
      const out = await planarToTexture(engine, { linear, flipY, format: 'rgba32float' });
      device.queue.submit([recorded(device, (pass) => {
        into(pass, source, program.buffer('x'));
        program.encode(pass);
        out(pass, target, program.buffer('y'));
      })]);
      const planes = await program.read('y');
      for (let i = 0; i < planes.length; i++) {
        const [x, row, c] = [i % width, Math.floor(i / width) % height, Math.floor(i / width / height)];
        const value = colour(x, flipY ? height - 1 - row : row, c);
        assert.ok(Math.abs(planes[i]! - (linear ? coded(value) : value)) < 1e-5, `element ${i}: ${planes[i]}`);
      }
      const bytesPerRow = 256;
      const back = device.createBuffer({ size: bytesPerRow * height, usage: 1 | COPY_DST });
      const encoder = device.createCommandEncoder();
      encoder.copyTextureToBuffer({ texture: target }, { buffer: back, bytesPerRow }, [width, height]);
      device.queue.submit([encoder.finish()]);
      await back.mapAsync(1);
      const found = new Float32Array(back.getMappedRange());
      for (let i = 0; i < texels.length; i++) {
        const value = found[Math.floor(i / 4 / width) * (bytesPerRow / 4) + (i % (4 * width))]!;
        assert.ok(Math.abs(value - (i % 4 === 3 ? 1 : texels[i]!)) < 1e-5, `texel ${i}: ${value}, ${texels[i]}`);
      }
    });
  }
}

test('textures that do not fit are refused', async () => {
  const engine = await newEngine();
  const { device } = engine;
  const program = await engine.compile({ y: scale(engine.graph().input('x', [3, 4, 4]), 1) });
  const make = (size: number[], usage: number, format: GPUTextureFormat = 'rgba8unorm') =>
    device.createTexture({ label: 'theirs', size, format, usage });
  const [into, out] = [await textureToPlanar(engine), await planarToTexture(engine)];
  const pass = device.createCommandEncoder().beginComputePass();
  const place = program.buffer('x');
  const needs = /"theirs" of 4 x 5 needs a tensor of 3 x 5 x 4 values in f32, 240 bytes, got 192/;
  await badly(() => into(pass, make([4, 5], 4), place), needs);
  await badly(() => into(pass, make([4, 4], 2), place), /without GPUTextureUsage.TEXTURE_BINDING/);
  await badly(() => into(pass, make([4, 4, 2], 4), place), /is not a plain picture/);
  await badly(() => out(pass, make([4, 4], 4), place), /without GPUTextureUsage.STORAGE_BINDING/);
  await badly(() => out(pass, make([4, 4], 8, 'rgba16float'), place), /made for rgba8unorm, the texture is rgba16float/);
});

test('shares of a run give what the whole gives; nothing else runs in between', async () => {
  const engine = await newEngine();
  const { device } = engine;
  const [program, other] = [await chain(engine), await chain(engine)];
  const count = program.launches.length;
  assert.ok(count >= 3, `${count} launches`);
  for (const p of [program, other]) {
    p.write('x', Array.from({ length: 16 }, (_, i) => i / 7));
    p.write('w', Array.from({ length: 16 }, (_, i) => Math.sin(i)));
  }
  other.run();
  const expected = [...(await other.read('y'))];
  for (let from = 0; from < count; from++) {
    device.queue.submit([recorded(device, (pass) => program.encode(pass, { from, to: from + 1 }))]);
    if (from + 1 === count) break;
    await badly(() => other.run(), /another program of this engine has recorded \d of \d launches/);
    const large = sum(softmax(scale(engine.graph().input('x', [500, 500]), 2)));
    await badly(() => engine.compile({ y: large }), /another program/);
  }
  assert.equal([...(await program.read('y'))], expected);
  other.run();

  const pass = device.createCommandEncoder().beginComputePass();
  await badly(() => program.encode(pass, { from: 1 }), /launches from 1: begin with 0/);
  await badly(() => program.encode(pass, { from: 0, to: count + 1 }), new RegExp(`0 <= from <= to <= ${count}`));
  program.encode(pass, { to: 2 });
  await badly(() => program.encode(pass, { from: 1 }), /launches from 1: begin with 2, or again with 0/);
  program.encode(pass, { to: 1 });
  program.destroy();
  other.run();
  assert.equal([...(await other.read('y'))], expected, 'a destroyed program holds up nobody');
});

test('what is recorded may be submitted after a larger program was compiled', async () => {
  const engine = await newEngine();
  const { device } = engine;
  const program = await chain(engine);
  program.write('x', Array(16).fill(1));
  program.write('w', Array(16).fill(1));
  const commands = recorded(device, (pass) => program.encode(pass));
  const slots = engine.buffers.version();
  const large = await chain(engine, 200);
  large.run();
  assert.ok(engine.buffers.version() > slots, 'the slots are others now');
  device.pushErrorScope('validation');
  device.queue.submit([commands]);
  assert.is(await device.popErrorScope(), null);
  assert.equal([...(await program.read('y'))], Array(16).fill(0.5));
});

const broken: Op = {
  name: 'broken', shapes: ([x]) => [x!.shape],
  kernel: () => ({ code: '@compute @workgroup_size(1) fn main() {}', workgroups: [70000, 1, 1] }),
};

test('errors of a run reach the error scopes of the host if it wants them', async () => {
  const device = await testDevice();
  const engine = createEngine(device, { errors: 'device' });
  const g = engine.graph();
  const program = await engine.compile({ y: g.add(broken, [g.input('x', [4])], {})[0]! });
  device.pushErrorScope('validation');
  program.run();
  assert.match((await device.popErrorScope())!.message, /70000/);
  await engine.sync();
});

test('every error has a code, and is an EngineError', async () => {
  const codeOf = async (work: () => unknown): Promise<unknown> => {
    const error = await Promise.resolve().then(work).then(() => undefined, (e: unknown) => e);
    assert.instance(error, EngineError);
    return (error as EngineError).code;
  };
  const engine = await newEngine();
  const g = engine.graph();
  const x = g.input('x', [4]);
  assert.is(await codeOf(() => add(x, g.input('z', [5]))), 'SHAPE');
  assert.is(await codeOf(() => gradients(x, [x])), 'USE');
  assert.is(await codeOf(() => engine.compile({ y: scale(engine.graph().input('x', [2 ** 31]), 2) })), 'OUT_OF_MEMORY');
  const refused = await engine.compile({ y: g.add(broken, [x], {})[0]! });
  refused.run();
  assert.is(await codeOf(() => engine.sync()), 'KERNEL');
  const plain = createEngine(await openDevice({ plain: true }));
  assert.is(await codeOf(() => plain.writeParameter('w', [1], new Float32Array(1), 'f16')), 'FEATURE');
  plain.device.destroy();
  const lost = await plain.lost;
  assert.instance(lost, DeviceLostError);
  assert.is(await codeOf(() => plain.sync()), 'DEVICE_LOST');
});

test('names that the graph does not have are errors; inputs without effect are not', async () => {
  const engine = await newEngine();
  const g = engine.graph();
  g.input('without effect', [2]);
  const program = await engine.compile({ y: scale(g.input('x', [2]), 2) });
  program.write('without effect', [1, 2]);
  assert.equal([program.takes('x'), program.takes('without effect'), program.takes('typo')], [true, false, false]);
  await badly(() => program.write('typo', [1, 2]), /no input named "typo": it has x$/);
});

test('nothing works after destroy()', async () => {
  const engine = await newEngine();
  const program = await chain(engine);
  const pass = engine.device.createCommandEncoder().beginComputePass();
  engine.destroy();
  const y = scale(engine.graph().input('x', [2]), 2);
  const after: readonly (() => unknown)[] = [
    () => program.run(), () => program.encode(pass), () => program.write('x', Array(16).fill(0)), () => program.read('y'),
    () => program.buffer('y'), () => program.bind('x', undefined), () => engine.compile({ y }),
    () => engine.writeParameter('w', [1], new Float32Array(1)), () => engine.sync(),
  ];
  for (const work of after) await badly(work, /engine: used after destroy\(\)/);
  assert.is(engine.buffers.heldBytes(), 0);
  program.destroy();
});

test('two engines of a device share their pipelines; a failed compile is tried again', async () => {
  const [first, second] = [await newEngine(), await newEngine()];
  await chain(first);
  const count = first.pipelines.size();
  await chain(second);
  assert.is(second.pipelines.size(), count);

  const g = first.graph();
  const op: Op = { name: 'nonsense', shapes: ([x]) => [x!.shape], kernel: () => ({ code: 'fn', workgroups: [1, 1, 1] }) };
  const y = g.add(op, [g.input('x', [4])], {})[0]!;
  for (const _ of [1, 2]) {
    assert.instance(await first.compile({ y }).catch((error: unknown) => error), KernelError);
    assert.is(first.pipelines.size(), count);
  }
});

test('compiling tells how far it is', async () => {
  const engine = await newEngine();
  const told: [number, number][] = [];
  const y = sum(scale(softmax(engine.graph().input('x', [3, 3])), 5));
  const program = await engine.compile({ y }, { onProgress: (done, total) => void told.push([done, total]) });
  const total = program.launches.length;
  assert.equal(told, Array.from({ length: total }, (_, i) => [i + 1, total]));
});

test('labels say whose things are', async () => {
  const engine = await newEngine('mine');
  const program = await chain(engine);
  engine.writeParameter('w', [1], new Float32Array(1));
  const labels = [program.buffer('x').buffer, engine.buffers.parameters.get('w')!.buffer, engine.buffers.slots([])[0]!];
  assert.equal(labels.map(({ label }) => label), ['mine %0 input x', 'mine parameter w', 'mine slot 0']);
});

test('what to ask an adapter for', async () => {
  const { features, limits } = await testDevice();
  const { requiredFeatures, requiredLimits } = deviceDescriptor({ features, limits });
  assert.ok(requiredFeatures.every((name) => features.has(name)));
  assert.is(requiredLimits.maxBufferSize, limits.maxBufferSize);
  const bare = deviceDescriptor({ features: new Set() as unknown as GPUSupportedFeatures, limits });
  assert.equal(bare.requiredFeatures, []);
});

test('the same device, driver and seed give the same bits', async () => {
  const train = async (): Promise<Uint32Array[]> => {
    const engine = await newEngine();
    const g = engine.graph();
    engine.writeParameter('w', [6, 3, 3, 3], Float32Array.from({ length: 162 }, (_, i) => Math.sin(i)));
    for (const name of ['m', 'v']) engine.writeParameter(name, [6, 3, 3, 3], new Float32Array(162));
    const parameter = (name: string): Tensor => g.parameter(name, [6, 3, 3, 3]);
    const [w, m, v] = [parameter('w'), parameter('m'), parameter('v')];
    const x = g.constant(Float32Array.from({ length: 3 * 40 * 40 }, (_, i) => Math.cos(i)), [1, 3, 40, 40]);
    const y = conv2d(x, w);
    const loss = mse(y, g.constant(new Float32Array(sizeOf(y.shape)), y.shape));
    const [dw] = gradients(loss, [w]);
    const hyper = g.input('hyper', [adamHyper({ lr: 0.01 }, 1).length]);
    const program = await engine.compile({ loss, ...adam(w, m, v, dw!, hyper) });
    const losses: number[] = [];
    for (let step = 1; step <= 5; step++) {
      program.write('hyper', adamHyper({ lr: 0.01 }, step));
      program.run();
      losses.push((await program.read('loss'))[0]!);
    }
    assert.ok(losses.at(-1)! < losses[0]!, `${losses}`);
    return [Float32Array.from(losses), await engine.readParameter('w')].map(({ buffer }) => new Uint32Array(buffer));
  };
  assert.equal(await train(), await train());
});

test.run();
