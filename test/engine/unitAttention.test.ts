/** Attention on matrix units, with the units' functions in software. See helpers/softwareUnits.ts. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { create } from 'webgpu';
import {
  calibrate, createEngine, deviceDescriptor, gradients, plainTuning, scale, type Engine, type KernelVariant, type Tensor,
} from '../../engine/index.js';
import { attention, gradientOfParts } from '../../engine/ops/attention.js';
import { bindingsOf } from '../../engine/run/launch.js';
import type { MatrixUnits } from '../../shaders/units/usable.js';
import { attentionOp, showCase, type AttentionCase } from '../helpers/attention.js';
import { assertRowsClose, checkIn } from '../helpers/check.js';
import { openDevice } from '../helpers/device.js';
import { draws, random } from '../helpers/random.js';
import { softwareUnitKernels } from '../helpers/softwareUnits.js';

const nvidia: MatrixUnits = { type: 'f16', M: 16, N: 16, K: 16, lanes: 32, pinned: false };
/** More queries and keys than tiles have; heads of no multiple of 16, and of an odd size; several images and heads. */
const kinds: readonly { readonly units: MatrixUnits; readonly c: AttentionCase }[] = [
  { units: nvidia, c: { B: 1, T: 70, heads: 1, HS: 20 } },
  { units: { type: 'f16', M: 8, N: 16, K: 16, lanes: 16, pinned: true }, c: { B: 2, T: 9, heads: 2, HS: 7 } },
  { units: { type: 'f32', M: 8, N: 8, K: 8, lanes: 32, pinned: false }, c: { B: 2, T: 35, heads: 3, HS: 16 } },
];

const gpu = { name: 'gpu', software: false, queue: false, workgroupSize: 256, subgroupSize: 0 };
const device = openDevice();
const engines = new Map<MatrixUnits, Promise<Engine>>();
function engineWith(units: MatrixUnits): Promise<Engine> {
  const engine = engines.get(units) ?? device.then((opened) =>
    createEngine(opened, { tuning: { ...gpu, units }, kernels: softwareUnitKernels, poison: true }));
  engines.set(units, engine);
  return engine;
}

const nameOf = ({ type, M, N, K, lanes }: MatrixUnits): string => `${type} ${M}x${N}x${K} of ${lanes} lanes`;
const fewBits = (x: number): number => Math.round(16 * x) / 16;

for (const { units, c } of kinds) {
  test(`units ${nameOf(units)}: attention, ${showCase(c)}`, async () => checkIn(await engineWith(units), {
    ...attentionOp(c, attention),
    build: ({ qkv }, g) => {
      const build = (): Tensor => attention(scale(qkv!, 1), c.heads);
      return units.type === 'f16' ? g.half(build) : build();
    },
    values: { qkv: fewBits },
    tolerance: units.type === 'f16' ? 4e-3 : 2e-5,
  }, nameOf(units)));
}

// Scores that rise along the keys, by far more than a row's sums are kept without scaling.
test('units: attention of large scores', async () => {
  const c = { B: 1, T: 70, heads: 1, HS: 20 };
  const width = 3 * c.heads * c.HS;
  return checkIn(await engineWith(nvidia), {
    ...attentionOp(c, attention),
    build: ({ qkv }, g) => g.half(() => attention(scale(qkv!, 1), c.heads)),
    values: { qkv: (v, i) => fewBits(v) * 2 ** Math.floor(Math.floor(i / width) / 16) },
    gradients: [],
    tolerance: 4e-3,
  }, nameOf(nvidia));
});

test('calibration strikes out attention on units that gives wrong numbers', async () => {
  const wrong: KernelVariant = (node, _, tuning) => {
    const usual = node.op.kernel!(node, { ...tuning, units: { type: 'f32', M: 8, N: 8, K: 8, lanes: 32, pinned: false } });
    const kernel = softwareUnitKernels['attention']!(node, usual, tuning)!;
    return { ...kernel, code: kernel.code.replaceAll('exp2(', 'exp(') };
  };
  const engine = createEngine(await device, { tuning: gpu, candidates: { attention: { wrong } }, poison: true });
  const program = await engine.compile({ y: attention(engine.graph().input('qkv', [1, 9, 24]), 1) });
  const { rows } = await calibrate(engine, program, { seconds: 1000, bound: 120_000 }); // the device says that it is a GPU
  const { chosen, kernels } = rows[0]!;
  assert.match(kernels.find(({ name }) => name === 'wrong')!.struck!, /^wrong numbers/);
  assert.is.not(chosen, 'wrong');
  program.destroy();
});

test('units: gradients of attention far outside the range of float16 keep three digits, in any number of parts', async () => {
  const [T, HS] = [70, 20];
  const found: Record<string, Float32Array>[] = [];
  for (const engine of [await engineWith(nvidia), createEngine(await device, { tuning: plainTuning, poison: true })]) {
    const g = engine.graph();
    const shapes = { qkv: [1, T, 3 * HS], dy: [1, T, HS], lse: [1, 1, T], delta: [1, 1, T] };
    const [qkv, ...others] = Object.entries(shapes).map(([name, shape]) => g.input(name, shape));
    const half = g.half(() => scale(qkv!, 1));
    const of = (parts: number): Tensor => gradientOfParts([half, ...others], { heads: 1, parts });
    const program = await engine.compile({ three: of(3), two: of(2) });
    // From query to query twice as large, so that sums so far have to be scaled again and again.
    const small = (width: number) => (v: number, i: number): number => v * 2 ** (Math.floor(i / width) - 100);
    program.write('qkv', draws(3 * T * HS, random(1)).map(fewBits));
    program.write('dy', draws(T * HS, random(2)).map(small(HS)));
    program.write('lse', new Float32Array(T).fill(3));
    program.write('delta', draws(T, random(3)).map(small(1)));
    program.run();
    found.push({ three: await program.read('three'), two: await program.read('two') });
    program.destroy();
  }
  for (const name of ['three', 'two']) {
    assertRowsClose(name, found[0]![name]!, Float64Array.from(found[1]![name]!), HS, 2e-3);
  }
});

/** Kept: Dawn ends the process when it is collected. It has no GPU at all, and checks what it is given. */
const nothing = create(['backend=null', 'enable-dawn-features=allow_unsafe_apis']);

test('units: Dawn takes attention as it is; heads that do not fit have the other kernels', async () => {
  const adapter = await nothing.requestAdapter();
  const { requiredFeatures } = deviceDescriptor(adapter!, { precision: 'f16' });
  const checked = await adapter!.requestDevice({ requiredFeatures });
  for (const { units } of kinds) {
    const engine = createEngine(checked, { tuning: { units: { ...units, pinned: true }, software: false } });
    for (const HS of [64, 80]) {
      const g = engine.graph();
      const qkv = g.half(() => scale(g.input('qkv', [1, 70, 3 * HS]), 1));
      const { node } = g.half(() => attention(qkv, 1));
      const [dqkv] = gradients(node.outputs[0]!, [qkv], g.input('dy', [1, 70, HS]));
      const back = dqkv!.node.inputs[0]!.node;
      for (const [of, isFor] of [[node, true], [back, units.type === 'f16']] as const) {
        const kernel = engine.kernelOf(of);
        assert.is(kernel.code.includes('subgroup_matrix'), isFor && HS === 64, `${of.op.name} of ${HS}`);
        await engine.pipelines.get(nameOf(units), kernel, bindingsOf(of, kernel));
      }
    }
  }
});

test.run();
