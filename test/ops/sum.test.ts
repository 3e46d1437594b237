import { test } from 'uvu';
import { mean, sum, sumLeading } from '../../engine/index.js';
import { checkOp } from '../helpers/check.js';

for (const shape of [[1], [5, 7], [2, 197, 3], [700, 2]]) {
  const inputs = { x: shape };
  const total = (x: Float64Array): number => x.reduce((a, b) => a + b, 0);
  test(`sum ${shape}`, () => checkOp({ inputs, build: ({ x }) => sum(x!), reference: ({ x }) => [total(x!)] }));
  test(`mean ${shape}`, () => checkOp({ inputs, build: ({ x }) => mean(x!), reference: ({ x }) => [total(x!) / x!.length] }));
}

for (const [shape, kept] of [[[3, 5], [5]], [[2, 3, 4, 5], [4, 5]], [[300, 1], [1]], [[1, 3], [1, 3]]]) {
  test(`sumLeading ${shape}; ${kept}`, () => checkOp({
    inputs: { x: shape! },
    build: ({ x }) => sumLeading(x!, kept!),
    reference: ({ x }) => {
      const cols = kept!.reduce((a, b) => a * b, 1);
      const y = new Float64Array(cols);
      x!.forEach((v, i) => { y[i % cols]! += v; });
      return y;
    },
  }));
}

test.run();
