import { test } from 'uvu';
import { Graph } from '../../engine/index.js';
import { normalize } from '../../engine/ops/normalize.js';
import { assertRefused, checkGolden, checkOp, photo } from '../helpers/check.js';

const mean = [0.485, 0.456, 0.406];
const std = [0.229, 0.224, 0.225];

for (const shape of [[1, 3, 1, 1], [2, 3, 5, 7], [1, 3, 20, 21]]) {
  test(`normalize ${shape}`, () => checkOp({
    inputs: { x: shape },
    build: ({ x }) => normalize(x!, mean, std),
    reference: ({ x }) => x!.map((v, i) => {
      const c = Math.floor(i / (shape[2]! * shape[3]!)) % 3;
      return (v - mean[c]!) / std[c]!;
    }),
  }));
}

test('golden normalize', () => checkGolden('normalize', photo, (x) => normalize(x, mean, std)));

test('other than three channels are refused', () => {
  const x = new Graph().input('x', [1, 4, 8, 9]);
  assertRefused(() => normalize(x, mean, std), /\[1, 4, 8, 9\]/);
});

test.run();
