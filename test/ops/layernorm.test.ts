import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { add, gradients, Graph, mul, schedule, sum, type Tensor } from '../../engine/index.js';
import { layernorm } from '../../engine/ops/layernorm.js';
import { assertRefused, checkGolden, checkOp, tokens, type Values } from '../helpers/check.js';

const EPS = 1e-6;

function reference({ x, w, b }: Values): Float64Array {
  const C = w!.length;
  const y = new Float64Array(x!.length);
  for (let row = 0; row < x!.length; row += C) {
    const values = x!.subarray(row, row + C);
    const mean = values.reduce((s, v) => s + v, 0) / C;
    const variance = values.reduce((s, v) => s + (v - mean) ** 2, 0) / C;
    for (let c = 0; c < C; c++) y[row + c] = ((values[c]! - mean) / Math.sqrt(variance + EPS)) * w![c]! + b![c]!;
  }
  return y;
}

for (const shape of [[1, 3], [3, 7], [2, 3, 48], [131, 5], [2, 1, 516]]) {
  const C = shape.at(-1)!;
  test(`layernorm ${shape}`, () => checkOp({
    inputs: { x: shape, w: [C], b: [C] },
    values: { w: (v) => v + 1.5 },
    build: ({ x, w, b }) => layernorm(x!, w!, b!, EPS),
    reference,
    tolerance: 4e-5,
  }));
}

test('one column: the output is b', () => checkOp({
  inputs: { x: [4, 1], w: [1], b: [1] },
  build: ({ x, w, b }) => layernorm(x!, w!, b!, EPS),
  reference,
  gradients: ['b'],
}));

// Inputs near 100 have steps of 8e-6: the test asserts that no more than a few of them are lost.
test('layernorm of x + 100', () => checkOp({
  inputs: { x: [5, 384], w: [384], b: [384] },
  values: { x: (v) => v + 100 },
  build: ({ x, w, b }) => layernorm(x!, w!, b!, EPS),
  reference,
  tolerance: 4e-5,
}));

test('layernorm of more rows than one axis of a grid has workgroups', () => checkOp({
  inputs: { x: [200000, 3], w: [3], b: [3] },
  build: ({ x, w, b }) => layernorm(x!, w!, b!, EPS),
  reference,
  gradients: [],
  tolerance: 4e-5,
}));

test('layernorm of rows that begin far from their mean', () => checkOp({
  inputs: { x: [3, 768], w: [768], b: [768] },
  values: { x: (v, i) => (i % 768 < 4 ? 30 + v : v) },
  build: ({ x, w, b }) => layernorm(x!, w!, b!, EPS),
  reference,
}));

// The variance of the last rows is below EPS.
test('layernorm of rows of very different size', () => checkOp({
  inputs: { x: [5, 24], w: [24], b: [24] },
  values: { x: (v, i) => v * 100 ** -Math.floor(i / 24), b: () => 0 },
  build: ({ x, w, b }) => layernorm(x!, w!, b!, EPS),
  reference,
}));

test('layernorm, golden', () => checkGolden('layer_norm', tokens(3, 1), (x) => {
  const filled = (value: number): Tensor => x.graph.constant(new Float32Array(48).fill(value));
  return layernorm(x, filled(1), filled(0), EPS);
}));

test('another number of rows needs no new pipeline', () => checkOp({
  inputs: { x: [3, 12], w: [12], b: [12] },
  build: ({ x, w, b }) => layernorm(x!, w!, b!, EPS),
  reference,
  gradients: ['x'],
  tolerance: 4e-5,
  resized: { x: [200, 12], w: [12], b: [12] },
}));

test('shapes that do not fit are named', () => {
  const g = new Graph();
  const [x, w, b] = [g.input('x', [2, 3]), g.input('w', [3]), g.input('b', [2])];
  assertRefused(() => layernorm(x, w, b, EPS), /layernorm: b .*\[2\].*\[2, 3\]/);
});

test('another gradient of the input is added in the same launch', async () => {
  const build = ({ x, w, b }: Record<string, Tensor>) => add(layernorm(x!, w!, b!, EPS), x!);
  await checkOp({
    inputs: { x: [3, 20], w: [20], b: [20] },
    build,
    reference: ({ x, w, b }) => reference({ x: x!, w: w!, b: b! }).map((y, i) => y + x![i]!),
  });
  const g = new Graph();
  const [x, w, b] = [g.input('x', [3, 20]), g.input('w', [20]), g.input('b', [20])];
  const [dx] = gradients(sum(mul(build({ x, w, b }), g.input('weights', [3, 20]))), [x]) as [Tensor];
  assert.equal(schedule([dx]).launches.map((n) => n.op.name).filter((n) => n === 'add'), []);
});

test.run();
