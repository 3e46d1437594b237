import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Graph, type Program, type Tuning } from '../../engine/index.js';
import { adam, adamHyper, type AdamSettings } from '../../engine/ops/adam.js';
import { assertClose, assertRefused } from '../helpers/check.js';
import { testedTunings } from '../helpers/device.js';
import { fill, golden } from '../helpers/golden.js';
import { optimizerProgram } from '../helpers/optimizer.js';

const settings: Record<string, AdamSettings> = { splice: { lr: 0.002, betas: [0, 0.99] }, default: { lr: 0.01 } };

/** A program of one step from `start`: inputs dw and hyper, outputs w, m, v. */
const stepper = (start: Float32Array, tuning?: Partial<Tuning>): Promise<Program> =>
  optimizerProgram(start, (g, { w, m, v }) => ({ ...adam(w, m, v, g.input('dw', w.shape), g.input('hyper', [6])) }), tuning);

for (const [name, setting] of Object.entries(settings)) {
  test(`five steps, golden ${name}`, async () => {
    const { get, tolerance } = golden('adam');
    for (const tuning of await testedTunings()) {
      const program = await stepper(fill('golden.adam.w', [33]), tuning);
      for (let t = 1; t <= 5; t++) {
        program.write('dw', fill(`golden.adam.g${t - 1}`, [33]).map((v) => v * 10 ** (t - 3)));
        program.write('hyper', adamHyper(setting, t));
        program.run();
        assertClose(`${name}.step${t}`, await program.read('w'), get(`${name}.step${t}`).data, tolerance(`${name}.step${t}`));
      }
      program.destroy();
    }
  });
}

for (const N of [1, 1031]) {
  test(`ten steps of ${N} parameters, w, m and v`, async () => {
    const [beta1, beta2, lr, eps] = [0.9, 0.999, 0.05, 1e-8];
    const start = fill('w', [N]);
    const program = await stepper(start);
    const right = { w: Float64Array.from(start), m: new Float64Array(N), v: new Float64Array(N) };
    for (let t = 1; t <= 10; t++) {
      const dw = fill(`dw${t}`, [N]);
      program.write('dw', dw);
      program.write('hyper', adamHyper({ lr }, t));
      program.run();
      dw.forEach((d, i) => {
        right.m[i] = beta1 * right.m[i]! + (1 - beta1) * d;
        right.v[i] = beta2 * right.v[i]! + (1 - beta2) * d * d;
        right.w[i]! -= ((lr / (1 - beta1 ** t)) * right.m[i]!) / (Math.sqrt(right.v[i]! / (1 - beta2 ** t)) + eps);
      });
    }
    for (const [name, values] of Object.entries(right)) assertClose(name, await program.read(name), values, 2e-5);
    program.destroy();
  });
}

test('a NaN in a gap between parameters stays there', async () => {
  const program = await stepper(new Float32Array(9).fill(1));
  const dw = new Float32Array(9).fill(0.5);
  dw[5] = NaN;
  program.write('dw', dw);
  program.write('hyper', adamHyper({ lr: 0.25 }, 1));
  program.run();
  const w = await program.read('w');
  assert.ok(w.every((value, i) => (i === 5 ? Number.isNaN(value) : Math.abs(value - 0.75) < 1e-6)), String(w));
  program.destroy();
});

test('what does not fit is named', () => {
  const g = new Graph();
  const [w, dw, hyper] = [g.input('w', [4]), g.input('dw', [5]), g.input('hyper', [6])];
  assertRefused(() => adam(w, w, w, dw, hyper), /adam: dw .*\[5\] and \[4\]/);
  assert.throws(() => adamHyper({ lr: 1 }, 0), /adam: steps count from 1, got 0/);
});

test.run();
