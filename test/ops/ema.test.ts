import { test } from 'uvu';
import { Graph } from '../../engine/index.js';
import { ema } from '../../engine/ops/ema.js';
import { assertClose, assertRefused } from '../helpers/check.js';
import { testedTunings, testEngine } from '../helpers/device.js';
import { fill } from '../helpers/golden.js';

for (const N of [1, 33, 5003]) {
  test(`three averages of ${N} numbers with changing momentum`, async () => {
    for (const tuning of await testedTunings()) {
      const engine = await testEngine(tuning);
      const g = engine.graph();
      const mean = ema(g.parameter(`ema${N}`, [N]), g.input('x', [N]), g.input('momentum', [1]));
      const program = await engine.compile({ mean });
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

test('ema: what does not fit is named', () => {
  const g = new Graph();
  const x = g.input('x', [4]);
  assertRefused(() => ema(g.input('mean', [5]), x, x), /ema: .*\[5\] and \[4\]/);
  assertRefused(() => ema(g.input('mean', [4]), x, x), /momentum .*\[4\] and \[1\]/);
});

test.run();
