import { test } from 'uvu';
import { Graph } from '../../engine/index.js';
import { mse } from '../../engine/ops/mse.js';
import { assertRefused, checkOp } from '../helpers/check.js';

const reference = (a: Float64Array, b: Float64Array): number[] => [a.reduce((s, v, i) => s + (v - b[i]!) ** 2, 0) / a.length];

for (const shape of [[1], [3, 5], [2, 3, 171], [3, 53, 79]]) {
  test(`mse ${shape}`, () => checkOp({
    inputs: { a: shape, b: shape },
    build: ({ a, b }) => mse(a!, b!),
    reference: ({ a, b }) => reference(a!, b!),
  }));
}

test('a gradient for one side only', () => checkOp({
  inputs: { a: [7, 3], b: [7, 3] },
  build: ({ a, b }) => mse(a!, b!),
  reference: ({ a, b }) => reference(a!, b!),
  gradients: ['b'],
}));

test('another size needs no new pipeline', () => checkOp({
  inputs: { a: [5], b: [5] },
  build: ({ a, b }) => mse(a!, b!),
  reference: ({ a, b }) => reference(a!, b!),
  resized: { a: [3, 90, 90], b: [3, 90, 90] },
}));

test('shapes that differ are named', () => {
  const g = new Graph();
  const [a, b] = [g.input('a', [2, 3]), g.input('b', [3, 2])];
  assertRefused(() => mse(a, b), /mse: .*\[2, 3\] and \[3, 2\]/);
});

test.run();
