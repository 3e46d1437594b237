import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Graph, type Program, type Tuning } from '../../engine/index.js';
import { adamw, adamwHyper, adamwRoles, type AdamwSettings } from '../../engine/ops/adamw.js';
import { assertClose, assertRefused } from '../helpers/check.js';
import { testedTunings } from '../helpers/device.js';
import { fill } from '../helpers/golden.js';
import { optimizerProgram, type Moments } from '../helpers/optimizer.js';

/** A program of one step from `start`: inputs dw, norm and hyper, outputs w, m, v. */
const stepper = (start: Float32Array, roles: Float32Array, tuning?: Partial<Tuning>): Promise<Program> =>
  optimizerProgram(start, (g, { w, m, v }) => {
    const [dw, norm, hyper] = [g.input('dw', w.shape), g.input('norm', [1]), g.input('hyper', [10])];
    return { ...adamw(w, m, v, dw, g.constant(roles), norm, hyper) };
  }, tuning);

interface Step {
  readonly dw: Float32Array;
  readonly norm: number;
  /** Steps done with this one, from 1; late elements wait while theirs are below 1. */
  readonly steps: number;
  readonly lateSteps: number;
}

/** One step in double precision: changes `state`. */
function reference(
  state: Moments<Float64Array>, roles: Float32Array, settings: Required<AdamwSettings>, { dw, norm, steps, lateSteps }: Step,
): void {
  const { lr, decay, clip, betas: [beta1, beta2], eps } = settings;
  dw.forEach((d, i) => {
    const t = roles[i] === adamwRoles.late ? lateSteps : steps;
    if (roles[i] === adamwRoles.gap || t < 1) return;
    const g = d * Math.min(1, clip / (norm + 1e-6));
    state.m[i] = beta1 * state.m[i]! + (1 - beta1) * g;
    state.v[i] = beta2 * state.v[i]! + (1 - beta2) * g * g;
    if (roles[i] !== adamwRoles.plain) state.w[i]! -= lr * decay * state.w[i]!;
    state.w[i]! -= ((lr / (1 - beta1 ** t)) * state.m[i]!) / (Math.sqrt(state.v[i]! / (1 - beta2 ** t)) + eps);
  });
}

async function checkSteps(N: number, clip: number, tuning: Partial<Tuning>): Promise<void> {
  const settings = { lr: 0.05, decay: 0.3, clip, betas: [0.9, 0.999], eps: 1e-8 } as const;
  const start = fill('w', [N]);
  const roles = start.map((_, i) => [1, 0, 2, -1][i % 4]!);
  const program = await stepper(start, roles, tuning);
  const right = { w: Float64Array.from(start), m: new Float64Array(N), v: new Float64Array(N) };
  for (let steps = 1; steps <= 8; steps++) {
    const [dw, lateSteps] = [fill(`dw${steps}`, [N]), steps - 3];
    const norm = Math.hypot(...dw);
    program.write('dw', dw);
    program.write('norm', [norm]);
    program.write('hyper', adamwHyper(settings, steps, lateSteps));
    program.run();
    reference(right, roles, settings, { dw, norm, steps, lateSteps });
  }
  for (const [name, values] of Object.entries(right)) assertClose(name, await program.read(name), values, 2e-5);
  program.destroy();
}

for (const N of [1, 1031]) {
  for (const clip of [0.5, 1e30]) {
    test(`eight steps of ${N} parameters of every role, gradients of at most ${clip}`, async () => {
      for (const tuning of await testedTunings()) await checkSteps(N, clip, tuning);
    });
  }
}

test('a gap keeps its value, and its gradient has no effect', async () => {
  const roles = Float32Array.of(1, -1, 0, 2);
  const program = await stepper(Float32Array.of(1, 1, 1, 1), roles);
  program.write('dw', Float32Array.of(0.5, NaN, 0.5, 0.5));
  program.write('norm', [1]);
  program.write('hyper', adamwHyper({ lr: 0.25, decay: 0.4 }, 1, 0));
  program.run();
  assertClose('w', await program.read('w'), [0.65, 1, 0.75, 1], 1e-6);
  program.destroy();
});

test('adamw: what does not fit is named', () => {
  const g = new Graph();
  const [w, dw, one, hyper] = [g.input('w', [4]), g.input('dw', [5]), g.input('one', [1]), g.input('hyper', [10])];
  assertRefused(() => adamw(w, w, w, dw, w, one, hyper), /adamw: dw .*\[5\] and \[4\]/);
  assertRefused(() => adamw(w, w, w, w, w, w, hyper), /adamw: norm .*\[4\] and \[1\]/);
  assert.throws(() => adamwHyper({ lr: 1, decay: 0 }, 0), /adamw: steps count from 1, got 0/);
});

test.run();
