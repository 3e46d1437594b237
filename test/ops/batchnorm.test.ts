import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { add, gradients, Graph, scale, schedule, sum, type Shape } from '../../engine/index.js';
import { batchnorm, batchnormGiven } from '../../engine/ops/batchnorm.js';
import { leakyRelu } from '../../engine/ops/unary.js';
import { assertRefused, checkOp, type Values } from '../helpers/check.js';
import { channels } from '../helpers/plain.js';

const SLOPE = 0.2;
const leaky = (v: number): number => (v > 0 ? v : SLOPE * v);

function reference({ x, w, b }: Values, [B, C, H, W]: Shape): Float64Array {
  const y = new Float64Array(x!.length);
  for (const { c, indices, mean, rstd } of channels(x!, [B!, C!, H!, W!])) {
    for (const i of indices) y[i] = (x![i]! - mean) * rstd * w![c]! + b![c]!;
  }
  return y;
}

const shapes = [
  [1, 1, 1, 3], [3, 3, 1, 1], [1, 3, 5, 7], [2, 5, 9, 3], [2, 2, 67, 65],
  [1, 2, 163, 161], // in chunks on GPUs, a channel at a time elsewhere
  [1, 3, 263, 251], [2, 2, 181, 183], // large channels, which are reduced in chunks
];

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

/** Values of alternating sign that stay away from 0, the kink of leaky ReLU, after normalisation. */
const alternating = (v: number, i: number): number => (i % 2 ? 1 : -1) * (0.6 + 0.3 * v);

test('batchnorm, then leaky ReLU', () => checkOp({
  inputs: { x: [2, 3, 5, 8], w: [3], b: [3] },
  values: { x: alternating, w: (v) => v + 2, b: (v) => 0.1 * v },
  build: ({ x, w, b }) => leakyRelu(batchnorm(x!, w!, b!), SLOPE),
  reference: (v) => reference(v, [2, 3, 5, 8]).map(leaky),
  tolerance: 4e-5,
}));

test('batchnorm that is also read without the leaky ReLU', () => checkOp({
  inputs: { x: [1, 3, 5, 8], w: [3], b: [3] },
  values: { x: alternating, w: (v) => v + 2, b: (v) => 0.1 * v },
  build: ({ x, w, b }) => {
    const z = batchnorm(x!, w!, b!);
    return add(z, leakyRelu(z, SLOPE));
  },
  reference: (v) => reference(v, [1, 3, 5, 8]).map((z) => z + leaky(z)),
  tolerance: 4e-5,
}));

// Inputs near 100 have steps of 8e-6: the test asserts that no more than a few of them are lost.
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

// Small channels have a kernel of their own, large ones two.
for (const [size, other] of [[6, 70], [260, 270]] as const) {
  test(`images of ${size} and of ${other} pixels use the same pipelines`, () => checkOp({
    inputs: { x: [1, 4, size, size], w: [4], b: [4] },
    values: { x: alternating, w: (v) => v + 2, b: (v) => 0.1 * v },
    build: ({ x, w, b }) => leakyRelu(batchnorm(x!, w!, b!), SLOPE),
    reference: (v) => reference(v, [1, 4, size, size]).map(leaky),
    tolerance: 4e-5,
    resized: { x: [1, 4, other, other], w: [4], b: [4] },
  }));
}

test('batchnorm of channels of very different size', () => checkOp({
  inputs: { x: [2, 4, 5, 3], w: [4], b: [4] },
  values: {
    x: (v, i) => v * 100 ** -(Math.floor(i / 15) % 4),
    w: (v, i) => (v + 2) * 100 ** (i - 3),
    b: (v, i) => v * 100 ** (i - 3),
  },
  build: ({ x, w, b }) => batchnorm(x!, w!, b!),
  reference: (v) => reference(v, [2, 4, 5, 3]),
  tolerance: 4e-5,
}));

test('several workgroups share a channel of 256 x 256 values on GPUs alone', () => {
  const launches = (wide: boolean) => {
    const g = new Graph(wide);
    const [x, w] = [g.input('x', [1, 32, 256, 256]), g.input('w', [32])];
    return schedule([batchnorm(x, w, w)]).launches.map(({ op }) => op.name);
  };
  assert.equal(launches(false), ['batchnorm']);
  assert.equal(launches(true), ['batchnormPartial', 'batchnorm']);
});

test('shapes that do not fit are named', () => {
  const g = new Graph();
  const [w, b] = [g.input('w', [3]), g.input('b', [2])];
  assertRefused(() => batchnorm(g.input('x', [2, 3]), w, w), /batchnorm: x must have 4 axes, got \[2, 3\]/);
  assertRefused(() => batchnorm(g.input('x', [1, 3, 4, 4]), w, b), /batchnorm: b .*\[2\] and \[1, 3, 4, 4\]/);
  assertRefused(() => batchnorm(g.input('x', [1, 3, 1, 1]), w, w), /batchnorm: one value per channel.*\[1, 3, 1, 1\]/);
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
