import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { gradients, sum } from '../../engine/index.js';
import { rowMax } from '../../engine/ops/rowMax.js';
import { checkOp } from '../helpers/check.js';
import { testedTunings, testEngine } from '../helpers/device.js';

function reference(x: Float64Array, N: number): Float64Array {
  return Float64Array.from({ length: x.length / N }, (_, row) => Math.max(...x.subarray(row * N, (row + 1) * N)));
}

for (const shape of [[1, 1], [3, 5], [2, 3, 197], [70, 300], [4, 1025]]) {
  test(`rowMax ${shape}`, () => checkOp({
    inputs: { x: shape },
    build: ({ x }) => rowMax(x!),
    reference: ({ x }) => reference(x!, shape.at(-1)!),
    rowLength: 1,
    resized: { x: shape.map((size) => Math.ceil(size / 2)) },
  }));
}

test('rowMax: of equal elements the first gets the gradient, also below zero', async () => {
  for (const tuning of await testedTunings()) {
    const engine = await testEngine(tuning);
    const g = engine.graph();
    const x = g.input('x', [2, 500]);
    const y = rowMax(x);
    const program = await engine.compile({ y, dx: gradients(sum(y), [x])[0]! });
    const data = new Float32Array(1000).fill(-3);
    for (const i of [77, 78, 499, 999]) data[i] = -1;
    program.write('x', data);
    program.run();
    assert.equal([...await program.read('y')], [-1, -1]);
    const dx = await program.read('dx');
    assert.equal([...dx.keys()].filter((i) => dx[i] !== 0).map((i) => [i, dx[i]]), [[77, 1], [999, 1]]);
    program.destroy();
  }
});

test.run();
