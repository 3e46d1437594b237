import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { gradients, mul, sum } from '../../engine/index.js';
import { softmax } from '../../engine/ops/softmax.js';
import { assertClose, checkOp } from '../helpers/check.js';
import { testEngine } from '../helpers/device.js';
import { fill, golden } from '../helpers/golden.js';

function reference(x: Float64Array, N: number): Float64Array {
  const y = new Float64Array(x.length);
  for (let row = 0; row < x.length; row += N) {
    const values = x.subarray(row, row + N);
    const peak = Math.max(...values);
    const total = values.reduce((s, v) => s + Math.exp(v - peak), 0);
    values.forEach((v, n) => (y[row + n] = Math.exp(v - peak) / total));
  }
  return y;
}

for (const shape of [[2], [3, 5], [2, 3, 197], [2, 300], [131, 2]]) {
  test(`softmax ${shape}`, () => checkOp({
    inputs: { x: shape },
    values: { x: (v) => 4 * v },
    build: ({ x }) => softmax(x!),
    reference: ({ x }) => reference(x!, shape.at(-1)!),
  }));
}

test('softmax of one is one', () => checkOp({
  inputs: { x: [4, 1] },
  build: ({ x }) => softmax(x!),
  reference: () => [1, 1, 1, 1],
}));

test('softmax far below and above zero', () => checkOp({
  inputs: { x: [2, 9] },
  values: { x: (v, i) => v + (i < 9 ? -1e4 : 1e4) },
  build: ({ x }) => softmax(x!),
  reference: ({ x }) => reference(x!, 9),
}));

test('softmax, golden', async () => {
  const { get, tolerance } = golden('ops');
  const engine = await testEngine();
  const g = engine.graph();
  const x = g.input('x', [19, 48]);
  const y = softmax(x);
  const [dx] = gradients(sum(mul(y, g.constant(fill('golden.seed.softmax', [19, 48]), [19, 48]))), [x]);
  const program = await engine.compile({ y, dx: dx! });
  program.write(x, fill('golden.tokens', [19, 48]).map((v) => v * 6));
  program.run();
  assertClose('softmax', await program.read('y'), get('softmax').data, tolerance('softmax'));
  assertClose('grad.softmax', await program.read('dx'), get('grad.softmax').data, tolerance('grad.softmax'));
  program.destroy();
});

test('a longer row needs no new pipeline', async () => {
  const engine = await testEngine();
  const counts: number[] = [];
  for (const N of [3, 400]) {
    const x = engine.graph().input('x', [2, N]);
    const y = softmax(x);
    (await engine.compile({ y, dx: gradients(sum(y), [x])[0]! })).destroy();
    counts.push(engine.pipelines.size());
  }
  assert.is(counts[1], counts[0]);
});

test.run();
