import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { gradients, mul, sum } from '../../engine/index.js';
import { sort } from '../../engine/ops/sort.js';
import { checkOp } from '../helpers/check.js';
import { testedTunings, testEngine } from '../helpers/device.js';

function reference(x: Float64Array, N: number): Float64Array {
  const y = Float64Array.from(x);
  for (let from = 0; from < x.length; from += N) y.subarray(from, from + N).sort();
  return y;
}

// Around blocks of 32, and around whole and broken runs of twice, four times .. of that.
for (const shape of [[1], [7, 5], [3, 32], [3, 33], [2, 3, 64], [2, 97], [5, 200], [2, 1025], [1, 16384]]) {
  test(`sort ${shape}`, () => checkOp({
    inputs: { x: shape },
    build: ({ x }) => sort(x!),
    reference: ({ x }) => reference(x!, shape.at(-1)!),
    // The gradient is exact, the finite difference needs elements that are farther apart than its steps.
    values: { x: (_, i) => ((i * 7919) % 16411) / 8192 - 1 },
    rowLength: 1,
  }));
}

test('sort uses the same pipelines for other lengths', () => checkOp({
  inputs: { x: [4, 100] },
  build: ({ x }) => sort(x!),
  reference: ({ x }) => reference(x!, 100),
  resized: { x: [3, 90] },
}));

test('sort: equal elements keep their order, and each gets its own gradient', async () => {
  const N = 300;
  const x = Float32Array.from({ length: N }, (_, i) => (i % 3) - 1);
  const expected = [...x.keys()].sort((a, b) => x[a]! - x[b]! || a - b);
  for (const tuning of await testedTunings()) {
    const engine = await testEngine(tuning);
    const g = engine.graph();
    const t = g.input('x', [N]);
    const weights = Float32Array.from({ length: N }, (_, i) => i);
    const program = await engine.compile({ dx: gradients(sum(mul(sort(t), g.constant(weights))), [t])[0]! });
    program.write('x', x);
    program.run();
    const dx = await program.read('dx');
    assert.equal(expected.map((at) => dx[at]), [...weights], 'the gradient is the place of each element');
    program.destroy();
  }
});

test.run();
