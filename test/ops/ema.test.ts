import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ShapeError } from '../../engine/index.js';
import { ema } from '../../engine/ops/ema.js';
import { assertClose } from '../helpers/check.js';
import { testedTunings, testEngine } from '../helpers/device.js';
import { fill } from '../helpers/golden.js';

for (const N of [1, 33, 5003]) {
  test(`three averages of ${N} numbers with changing momentum`, async () => {
    for (const tuning of await testedTunings()) {
      const engine = await testEngine(tuning);
      const g = engine.graph();
      const program = await engine.compile({ mean: ema(g.parameter(`ema${N}`, [N]), g.input('x', [N]), g.input('momentum', [1])) });
      const right = Float64Array.from(fill('start', [N]));
      engine.writeParameter(`ema${N}`, [N], Float32Array.from(right));
      for (const momentum of [0.996, 0.5, 0]) {
        const x = fill(`x${momentum}`, [N]);
        program.write('x', x);
        program.write('momentum', [momentum]);
        program.run();
        right.forEach((v, i) => (right[i] = momentum * v + (1 - momentum) * x[i]!));
        assertClose(`momentum ${momentum}`, await program.read('mean'), right, 1e-6);
      }
      program.destroy();
    }
  });
}

test('ema: what does not fit is named', async () => {
  const g = (await testEngine()).graph();
  const x = g.input('x', [4]);
  assert.throws(() => ema(g.input('mean', [5]), x, x), (e: Error) => e instanceof ShapeError && /ema: .*\[5\] and \[4\]/.test(e.message));
  assert.throws(() => ema(g.input('mean', [4]), x, x), (e: Error) => e instanceof ShapeError && /momentum .*\[4\] and \[1\]/.test(e.message));
});

test.run();
