import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { gradients, ShapeError, type Shape } from '../../engine/index.js';
import { mse } from '../../engine/ops/mse.js';
import { checkOp } from '../helpers/check.js';
import { testEngine } from '../helpers/device.js';

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

test('another size needs no new pipeline', async () => {
  const engine = await testEngine();
  const count = async (shape: Shape): Promise<number> => {
    const g = engine.graph();
    const [a, b] = [g.input('a', shape), g.input('b', shape)];
    const y = mse(a, b);
    (await engine.compile({ y, da: gradients(y, [a])[0]! })).destroy();
    return engine.pipelines.size();
  };
  const first = await count([5]);
  assert.is(await count([3, 90, 90]), first);
});

test('shapes that differ are named', async () => {
  const g = (await testEngine()).graph();
  const [a, b] = [g.input('a', [2, 3]), g.input('b', [3, 2])];
  assert.throws(() => mse(a, b), (e: Error) => e instanceof ShapeError && /mse: .*\[2, 3\] and \[3, 2\]/.test(e.message));
});

test.run();
