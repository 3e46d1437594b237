import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { gradients, Graph, sum, type Tensor } from '../../engine/index.js';
import { abs, gelu, leakyRelu, quickGelu, sigmoid, silu } from '../../engine/ops/unary.js';
import { assertClose, checkGolden, checkOp, tokens } from '../helpers/check.js';
import { testEngine } from '../helpers/device.js';
import { logistic, plainGelu, plainQuickGelu } from '../helpers/plain.js';

const awayFromZero = (x: number): number => x + Math.sign(x) * 0.1;

const functions: Record<string, [op: (x: Tensor) => Tensor, f: (x: number) => number]> = {
  abs: [abs, Math.abs],
  gelu: [gelu, plainGelu],
  quickGelu: [quickGelu, plainQuickGelu],
  leakyRelu: [(x) => leakyRelu(x, 0.2), (x) => (x > 0 ? x : 0.2 * x)],
  sigmoid: [sigmoid, logistic],
  silu: [silu, (x) => x * logistic(x)],
};

for (const [name, [op, f]] of Object.entries(functions)) {
  for (const shape of [[1], [3, 5], [2, 3, 171]]) {
    test(`${name} ${shape}`, () => checkOp({
      inputs: { x: shape },
      values: { x: (v, i) => (i === 0 ? 1.5 : awayFromZero(3 * v)) }, // a lone far negative gelu is all rounding
      build: ({ x }) => op(x!),
      reference: ({ x }) => x!.map(f),
    }));
  }
}

test('gelu, golden', () => checkGolden('gelu', tokens(4), gelu));

test('far from zero', async () => {
  const engine = await testEngine();
  const g = engine.graph();
  const x = g.constant(new Float32Array([-1e4, -200, -20, 20, 200, 1e4]));
  const names = Object.keys(functions);
  const ys = names.map((name) => functions[name]![0](x));
  const outputs = Object.fromEntries(ys.flatMap((y, i) => [[names[i]!, y], [`d${names[i]}`, gradients(sum(y), [x])[0]!]]));
  const program = await engine.compile(outputs);
  program.run();
  const ramp = [0, 0, 0, 20, 200, 1e4];
  const limits = {
    abs: [1e4, 200, 20, 20, 200, 1e4], gelu: ramp, quickGelu: ramp, silu: ramp, sigmoid: [0, 0, 0, 1, 1, 1],
    leakyRelu: [-2e3, -40, -4, 20, 200, 1e4],
  };
  const slopes = { abs: [-1, 1], gelu: [0, 1], quickGelu: [0, 1], silu: [0, 1], sigmoid: [0, 0], leakyRelu: [0.2, 1] };
  for (const [name, right] of Object.entries(limits)) {
    assertClose(name, await program.read(name), right, 1e-6);
    const dx = await program.read(`d${name}`);
    const [below, above] = slopes[name as keyof typeof slopes] as [number, number];
    dx.forEach((v, i) => assert.ok(Math.abs(v - (i < 3 ? below : above)) < 1e-6, `d${name}: ${dx}`));
  }
  program.destroy();
});

test('leakyRelu refuses slopes that lose the sign', () => {
  const x = new Graph().input('x', [2]);
  assert.throws(() => leakyRelu(x, -0.1), /leakyRelu: slope must be positive, got -0.1/);
});

test.run();
