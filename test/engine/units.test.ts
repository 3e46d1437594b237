/** Products on matrix units: the same launches, with the units' functions in software. See helpers/softwareUnits.ts. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { create } from 'webgpu';
import {
  add, calibrate, createEngine, deviceDescriptor, gelu, gradients, scale, schedule, type Engine, type Graph, type KernelVariant,
  type Shape, type Tensor,
} from '../../engine/index.js';
import { linear } from '../../engine/ops/linear.js';
import { bindingsOf } from '../../engine/run/launch.js';
import { areUsable, type MatrixUnits } from '../../shaders/units/usable.js';
import { assertRowsClose, checkIn } from '../helpers/check.js';
import { testDevice } from '../helpers/device.js';
import { affine, plainGelu } from '../helpers/plain.js';
import { draws, random } from '../helpers/random.js';
import { softwareUnitKernels, softwareUnits } from '../helpers/softwareUnits.js';

type Case = [x: Shape, N: number];
/** No multiple of a tile, as y and as dx; less than one; more; and the wide tile, as both. */
const uneven: Case = [[2, 35, 36], 68];
const all: Case[] = [uneven, [[5, 4], 4], [[66, 20], 132], [[7, 64], 1540], [[130, 1540], 8]];

/** Units as NVIDIA and AMD have them, Intel, GPUs with large subgroups, and Apple. */
const kinds: readonly { readonly units: MatrixUnits; readonly cases: Case[] }[] = [
  { units: { type: 'f16', M: 16, N: 16, K: 16, lanes: 32, pinned: false }, cases: all },
  { units: { type: 'f16', M: 8, N: 16, K: 16, lanes: 16, pinned: true }, cases: [uneven] },
  { units: { type: 'f16', M: 16, N: 16, K: 16, lanes: 64, pinned: false }, cases: [uneven] },
  { units: { type: 'f32', M: 8, N: 8, K: 8, lanes: 32, pinned: false }, cases: [uneven] },
];
const [{ units: usual }] = kinds as [(typeof kinds)[number]];

const engines = new Map<MatrixUnits, Promise<Engine>>();
function engineWith(units: MatrixUnits): Promise<Engine> {
  const tuning = { name: 'gpu', software: false, queue: false, workgroupSize: 256, subgroupSize: 0, units };
  const engine = engines.get(units) ?? testDevice().then((device) =>
    createEngine(device, { tuning, kernels: softwareUnitKernels, poison: true }));
  engines.set(units, engine);
  return engine;
}

const nameOf = ({ type, M, N, K, lanes }: MatrixUnits): string => `${type} ${M}x${N}x${K} of ${lanes} lanes`;

/** Numbers of few bits, which float16 holds, and whose products and sums float32 does. */
const fewBits = (x: number): number => Math.round(16 * x) / 16;
const few = (count: number, seed: number): Float32Array => draws(count, random(seed)).map(fewBits);

/** A layer whose weights are stored as float16, and its reference. */
function layer(N: number, K: number) {
  const [w, b] = [few(N * K, 3), few(N, 4)];
  return {
    build: (x: Tensor, g: Graph): Tensor => {
      const [weight, bias] = g.half(() => [g.constant(w, [N, K]), g.constant(b, [N])]);
      return linear(x, weight!, bias);
    },
    reference: (x: Float64Array): Float64Array => affine(x, Float64Array.from(w), Float64Array.from(b)),
  };
}

/** For the gradient, whose operands, random numbers, are rounded to float16; y is exact. */
const tolerance = ({ type }: MatrixUnits): number => (type === 'f16' ? 2e-4 : 2e-5);

for (const { units, cases } of kinds) {
  for (const [shape, N] of cases) {
    test(`units ${nameOf(units)}: linear ${shape} to ${N}`, async () => {
      const { build, reference } = layer(N, shape.at(-1)!);
      await checkIn(await engineWith(units), {
        inputs: { x: shape },
        values: { x: fewBits },
        build: ({ x }, g) => build(x!, g),
        reference: ({ x }) => reference(x!),
        tolerance: tolerance(units),
      }, nameOf(units));
    });
  }
}

test('units: activation with its gradient, residual, float16 in memory', async () => {
  const [hidden, out] = [layer(20, 12), layer(12, 20)];
  await checkIn(await engineWith(usual), {
    inputs: { x: [2, 9, 12] },
    values: { x: fewBits },
    build: ({ x }, g) => g.half(() => add(out.build(gelu(hidden.build(x!, g)), g), x!)),
    reference: ({ x }) => out.reference(hidden.reference(x!).map(plainGelu)).map((y, i) => y + x![i]!),
    tolerance: 2e-3,
  }, nameOf(usual));
});

test('units: gradients far outside the range of float16 keep three digits', async () => {
  const [rows, N, K] = [70, 132, 8];
  const engine = await engineWith(usual);
  const g = engine.graph();
  const x = g.input('x', [rows, K]);
  const dy = g.input('dy', [rows, N]);
  const { w, dx } = g.half(() => ({ w: few(N * K, 3), dx: (weight: Tensor) => gradients(linear(x, weight), [x], dy)[0]! }));
  const program = await engine.compile({ dx: dx(g.half(() => g.constant(w, [N, K]))) });
  // The later along K, the larger, over a range of 2^100 from row to row: sums so far have to be scaled again and again.
  const data = few(rows * N, 5).map((v, i) => v * 2 ** (-90 + 24 * Math.floor((i % N) / 32) + Math.floor(i / N) / 20));
  program.write(dy, data);
  program.run();
  const expected = new Float64Array(rows * K);
  for (let i = 0; i < rows * N * K; i++) {
    const [row, n, k] = [Math.floor(i / (N * K)), Math.floor(i / K) % N, i % K];
    expected[row * K + k]! += data[row * N + n]! * w[n * K + k]!;
  }
  assertRowsClose('dx', await program.read('dx'), expected, K, 1e-3);
  program.destroy();
});

test('units: what a graph builds in f32 stays exact, and units that do not fit are not used', async () => {
  const engine = await engineWith(usual);
  const g = engine.graph();
  const { node } = linear(g.input('x', [70, 8]), g.input('w', [8, 8]));
  assert.not.match(engine.kernelOf(node).code, 'unit');
  assert.ok(kinds.every(({ units }) => areUsable(units)));
  for (const change of [{ M: 64 }, { N: 12 }, { K: 64 }, { lanes: 4 }, { M: 4 }]) assert.not(areUsable({ ...usual, ...change }));
});

test('units: a device whose units give wrong numbers gets the other kernels', async () => {
  const wrong: KernelVariant = (_, kernel) =>
    ({ ...kernel, code: softwareUnits(kernel.code).replace('(*sums)[e] +=', '(*sums)[e] -=') });
  const tuning = { name: 'gpu', software: false, queue: false, workgroupSize: 256, subgroupSize: 0, units: usual };
  const engine = createEngine(await testDevice(), { tuning, kernels: { linear: wrong } });
  const g = engine.graph();
  const y = g.half(() => linear(g.input('x', [70, 8]), g.constant(few(64, 3), [8, 8])));
  const { rows } = await calibrate(engine, schedule([y]).launches, { seconds: 1000, bound: 120_000 });
  const kernels = Object.fromEntries(rows[0]!.kernels.map(({ name, struck }) => [name, struck]));
  assert.match(kernels['usual']!, /^wrong numbers/);
  assert.is(kernels['without matrix units'], undefined, 'right');
  assert.match(kernels['wide tiles']!, /chromium_experimental_subgroup_matrix/, 'not in software: it does not compile here');
  assert.is(rows[0]!.chosen, 'without matrix units');
  assert.not.match(engine.kernelOf(y.node).code, 'subgroup_matrix');
});

/** Kept: Dawn ends the process when it is collected. It has no GPU at all, and checks what it is given. */
const nothing = create(['backend=null', 'enable-dawn-features=allow_unsafe_apis']);

test('units: Dawn takes the kernels as they are', async () => {
  const adapter = await nothing.requestAdapter();
  const { requiredFeatures } = deviceDescriptor(adapter!, { precision: 'f16' });
  assert.ok(requiredFeatures.includes('chromium-experimental-subgroup-matrix' as GPUFeatureName));
  const device = await adapter!.requestDevice({ requiredFeatures });
  for (const { units } of kinds.filter(({ units: { lanes } }) => lanes < 64)) {
    for (const tile of ['narrow', 'wide'] as const) {
      const engine = createEngine(device, { tuning: { units: { ...units, pinned: true }, tile, software: false } });
      const g = engine.graph();
      const x = g.half(() => scale(g.input('x', [70, 8]), 1));
      const y = g.half(() => linear(x, g.constant(few(96, 3), [12, 8]), g.constant(few(12, 4))));
      const [dx] = gradients(y, [x], g.input('dy', y.shape));
      for (const { node } of [y, dx!]) {
        const kernel = engine.kernelOf(node);
        assert.match(kernel.code, 'subgroup_matrix');
        assert.not.match(kernel.code, /subgroupMatrixLoad<\w+>\(|subgroupMatrixStore\(/, 'the deprecated spelling');
        await engine.pipelines.get(nameOf(units), kernel, bindingsOf(node, kernel));
      }
    }
  }
});

test.run();
