import { test } from 'uvu';
import { Graph } from '../../engine/index.js';
import { globalNorm } from '../../engine/ops/globalNorm.js';
import { assertClose, assertRefused, checkOp } from '../helpers/check.js';
import { testedTunings, testEngine } from '../helpers/device.js';
import { fill } from '../helpers/golden.js';

for (const N of [1, 77, 4096, 9001]) {
  test(`globalNorm of ${N} numbers`, () => checkOp({
    inputs: { x: [N], roles: [N] },
    values: { roles: (_, i) => i % 3 },
    build: ({ x, roles }) => globalNorm(x!, roles!),
    reference: ({ x }) => [Math.hypot(...x!)],
    gradients: [],
  }));
}

test('gaps do not count, even if they hold NaN', async () => {
  for (const tuning of await testedTunings()) {
    const engine = await testEngine(tuning);
    const g = engine.graph();
    const program = await engine.compile({ norm: globalNorm(g.input('x', [5000]), g.input('roles', [5000])) });
    const isGap = (i: number): boolean => i % 7 === 3;
    const x = fill('x', [5000]);
    program.write('x', x.map((v, i) => (isGap(i) ? NaN : v)));
    program.write('roles', x.map((_, i) => (isGap(i) ? -1 : 1)));
    program.run();
    assertClose('norm', await program.read('norm'), [Math.hypot(...x.filter((_, i) => !isGap(i)))], 1e-6);
    program.destroy();
  }
});

test('globalNorm: what does not fit is named', () => {
  const g = new Graph();
  assertRefused(() => globalNorm(g.input('x', [4]), g.input('roles', [5])), /\[5\] and \[4\]/);
});

test.run();
