import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { gradients, mul, ShapeError, sum } from '../../engine/index.js';
import { normalize } from '../../engine/ops/normalize.js';
import { assertClose, checkOp } from '../helpers/check.js';
import { testEngine } from '../helpers/device.js';
import { fill, golden, testImage } from '../helpers/golden.js';

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

test('golden normalize', async () => {
  const { get, meta, tolerance } = golden('ops');
  const engine = await testEngine();
  const g = engine.graph();
  const x = g.input('x', [1, 3, 37, 53]);
  const y = normalize(x, mean, std);
  const seed = g.constant(fill(`${meta['tag']}.seed.normalize`, y.shape), y.shape);
  const program = await engine.compile({ y, dx: gradients(sum(mul(y, seed)), [x])[0]! });
  program.write(x, testImage(`${meta['tag']}.photo`, 37, 53));
  program.run();
  assertClose('normalize', await program.read('y'), get('normalize').data, tolerance('normalize'));
  assertClose('grad.normalize', await program.read('dx'), get('grad.normalize').data, tolerance('grad.normalize'));
});

test('what has not three channels is refused', async () => {
  const x = (await testEngine()).graph().input('x', [1, 4, 8, 9]);
  assert.throws(() => normalize(x, mean, std), (e: Error) => e instanceof ShapeError && /\[1, 4, 8, 9\]/.test(e.message));
});

test.run();
