import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { add, gradients, scale, ShapeError, sum, Graph, type Shape } from '../../engine/index.js';
import { batchnorm, batchnormGiven } from '../../engine/ops/batchnorm.js';
import { leakyRelu } from '../../engine/ops/unary.js';
import { checkOp, type Values } from '../helpers/check.js';
import { testEngine } from '../helpers/device.js';

const EPS = 1e-5;
const SLOPE = 0.2;
const leaky = (v: number): number => (v > 0 ? v : SLOPE * v);

/** Batch norm in double precision. */
function reference({ x, w, b }: Values, [B, C, H, W]: Shape): Float64Array {
  const HW = H! * W!;
  const N = B! * HW;
  const y = new Float64Array(x!.length);
  for (let c = 0; c < C!; c++) {
    const places = Array.from({ length: N }, (_, n) => (Math.floor(n / HW) * C! + c) * HW + (n % HW));
    const mean = places.reduce((s, i) => s + x![i]!, 0) / N;
    const variance = places.reduce((s, i) => s + (x![i]! - mean) ** 2, 0) / N;
    for (const i of places) y[i] = ((x![i]! - mean) / Math.sqrt(variance + EPS)) * w![c]! + b![c]!;
  }
  return y;
}

const shapes = [[1, 1, 1, 3], [3, 3, 1, 1], [1, 3, 5, 7], [2, 5, 9, 3], [2, 2, 67, 65], [1, 3, 263, 251], [2, 2, 181, 183]]; // the last two are large channels, done in chunks

for (const shape of shapes) {
  const C = shape[1]!;
  const inputs = { x: shape, w: [C], b: [C] };
  test(`batchnorm ${shape}`, () => checkOp({
    inputs,
    values: { x: (v, i) => v + (i % 3) },
    build: ({ x, w, b }) => batchnorm(x!, w!, b!),
    reference: (v) => reference(v, shape),
    tolerance: 4e-5,
  }));
}

/** Values of alternating sign that stay clear of 0 after normalisation, where leaky ReLU has its kink. */
const alternating = (v: number, i: number): number => (i % 2 ? 1 : -1) * (0.6 + 0.3 * v);

test('batchnorm, then leaky ReLU', () => checkOp({
  inputs: { x: [2, 3, 5, 8], w: [3], b: [3] },
  values: { x: alternating, w: (v) => v + 2, b: (v) => 0.1 * v },
  build: ({ x, w, b }) => leakyRelu(batchnorm(x!, w!, b!), SLOPE),
  reference: (v) => reference(v, [2, 3, 5, 8]).map(leaky),
  tolerance: 4e-5,
}));

test('batchnorm that is read beside the leaky ReLU behind it', () => checkOp({
  inputs: { x: [1, 3, 5, 8], w: [3], b: [3] },
  values: { x: alternating, w: (v) => v + 2, b: (v) => 0.1 * v },
  build: ({ x, w, b }) => {
    const z = batchnorm(x!, w!, b!);
    return add(z, leakyRelu(z, SLOPE));
  },
  reference: (v) => reference(v, [1, 3, 5, 8]).map((z) => z + leaky(z)),
  tolerance: 4e-5,
}));

// Inputs near 100 have steps of 8e-6; what is asserted is that no more than a few of them are lost.
test('batchnorm of x + 100', () => checkOp({
  inputs: { x: [2, 2, 181, 183], w: [2], b: [2] },
  values: { x: (v) => v + 100 },
  build: ({ x, w, b }) => batchnorm(x!, w!, b!),
  reference: (v) => reference(v, [2, 2, 181, 183]),
  tolerance: 4e-5,
}));

test('batchnorm of a variance as small as eps', () => checkOp({
  inputs: { x: [1, 2, 17, 16], w: [2], b: [2] },
  build: ({ x, w, b }, g) => batchnorm(add(scale(x!, 0.005), g.constant(new Float32Array([0.1]))), w!, b!),
  reference: ({ x, w, b }) => reference({ x: x!.map((v) => 0.005 * v + 0.1), w: w!, b: b! }, [1, 2, 17, 16]),
  tolerance: 4e-5,
}));

test('another image size needs no new pipeline', async () => {
  const engine = await testEngine();
  const counts: number[] = [];
  for (const size of [6, 70, 260, 270]) {
    const g = engine.graph();
    const [x, w, b] = [g.input('x', [1, 4, size, size]), g.input('w', [4]), g.input('b', [4])];
    const [dx, dw, db] = gradients(sum(leakyRelu(batchnorm(x, w, b), SLOPE)), [x, w, b]);
    (await engine.compile({ dx: dx!, dw: dw!, db: db! })).destroy();
    counts.push(engine.pipelines.size());
  }
  assert.is(counts[1], counts[0]);
  assert.is(counts[3], counts[2]);
});

test('shapes that do not fit are named', async () => {
  const g = (await testEngine()).graph();
  const [w, b] = [g.input('w', [3]), g.input('b', [2])];
  const throws = (f: () => unknown, text: RegExp): void => assert.throws(f, (e: Error) => e instanceof ShapeError && text.test(e.message));
  throws(() => batchnorm(g.input('x', [2, 3]), w, w), /batchnorm: x must have 4 axes, got \[2, 3\]/);
  throws(() => batchnorm(g.input('x', [1, 3, 4, 4]), w, b), /batchnorm: b .*\[2\] and \[1, 3, 4, 4\]/);
  throws(() => batchnorm(g.input('x', [1, 3, 1, 1]), w, w), /batchnorm: one value per channel.*\[1, 3, 1, 1\]/);
});

test('batchnorm with given statistics, then leaky ReLU', () => checkOp({
  inputs: { x: [1, 3, 5, 8], statistics: [3, 2], w: [3], b: [3] },
  build: ({ x, statistics, w, b }) => leakyRelu(batchnormGiven(x!, statistics!, w!, b!), SLOPE),
  reference: ({ x, statistics, w, b }) => x!.map((v, i) => {
    const c = Math.floor(i / 40);
    return leaky((v - statistics![2 * c]!) * statistics![2 * c + 1]! * w![c]! + b![c]!);
  }),
  gradients: [],
}));

test('batchnorm with given statistics refuses gradients and what does not fit', () => {
  const g = new Graph();
  const [x, s, w] = [g.input('x', [1, 3, 5, 8]), g.input('s', [3, 2]), g.input('w', [3])];
  assert.throws(() => gradients(sum(batchnormGiven(x, s, w, w)), [x]), /batchnormGiven/);
  assert.throws(() => batchnormGiven(x, w, w, w), /batchnorm: statistics must be \[3, 2\]: \[3\] for x \[1, 3, 5, 8\]/);
});

test.run();
