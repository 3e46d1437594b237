import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ShapeError, type Program, type Tensor, type Tuning } from '../../engine/index.js';
import { adamw, adamwHyper, adamwRoles, type AdamwSettings } from '../../engine/ops/adamw.js';
import { assertClose } from '../helpers/check.js';
import { testedTunings, testEngine } from '../helpers/device.js';
import { fill } from '../helpers/golden.js';

let programs = 0;

/** A program of one step over N parameters of its own: inputs dw, norm and hyper, outputs w, m, v. */
async function stepper(start: Float32Array, roles: Float32Array, tuning: Partial<Tuning> = {}): Promise<Program> {
  const engine = await testEngine(tuning);
  const [g, N] = [engine.graph(), start.length];
  const names = ['w', 'm', 'v'].map((name) => `adamw${programs}.${name}`);
  programs++;
  const [w, m, v] = names.map((name) => g.parameter(name, [N])) as [Tensor, Tensor, Tensor];
  const program = await engine.compile({ ...adamw(w, m, v, g.input('dw', [N]), g.constant(roles), g.input('norm', [1]), g.input('hyper', [10])) });
  names.forEach((name, i) => engine.writeParameter(name, [N], i === 0 ? start : new Float32Array(N)));
  return program;
}

/** The same in double precision. `t` and `late` count steps from 1; late elements wait while theirs is below. */
function reference(state: Record<'w' | 'm' | 'v', Float64Array>, dw: Float32Array, roles: Float32Array, norm: number, settings: Required<AdamwSettings>, t: number, late: number): void {
  const { lr, decay, clip, betas: [beta1, beta2], eps } = settings;
  dw.forEach((d, i) => {
    const steps = roles[i] === adamwRoles.late ? late : t;
    if (roles[i] === adamwRoles.gap || steps < 1) return;
    const g = d * Math.min(1, clip / (norm + 1e-6));
    state.m[i] = beta1 * state.m[i]! + (1 - beta1) * g;
    state.v[i] = beta2 * state.v[i]! + (1 - beta2) * g * g;
    if (roles[i] !== adamwRoles.plain) state.w[i]! -= lr * decay * state.w[i]!;
    state.w[i]! -= ((lr / (1 - beta1 ** steps)) * state.m[i]!) / (Math.sqrt(state.v[i]! / (1 - beta2 ** steps)) + eps);
  });
}

for (const N of [1, 1031]) {
  for (const clip of [0.5, 1e30]) {
    test(`eight steps of ${N} parameters of every role, gradients of at most ${clip}`, async () => {
      const settings = { lr: 0.05, decay: 0.3, clip, betas: [0.9, 0.999], eps: 1e-8 } as const;
      const start = fill('w', [N]);
      const roles = start.map((_, i) => [1, 0, 2, -1][i % 4]!);
      for (const tuning of await testedTunings()) {
        const program = await stepper(start, roles, tuning);
        const right = { w: Float64Array.from(start), m: new Float64Array(N), v: new Float64Array(N) };
        for (let t = 1; t <= 8; t++) {
          const dw = fill(`dw${t}`, [N]);
          const norm = Math.hypot(...dw);
          program.write('dw', dw);
          program.write('norm', [norm]);
          program.write('hyper', adamwHyper(settings, t, t - 3));
          program.run();
          reference(right, dw, roles, norm, settings, t, t - 3);
        }
        for (const [name, values] of Object.entries(right)) assertClose(name, await program.read(name), values, 2e-5);
        program.destroy();
      }
    });
  }
}

test('a gap keeps what it holds, and spreads nothing', async () => {
  const roles = Float32Array.of(1, -1, 0, 2);
  const program = await stepper(Float32Array.of(1, 1, 1, 1), roles);
  program.write('dw', Float32Array.of(0.5, NaN, 0.5, 0.5));
  program.write('norm', [1]);
  program.write('hyper', adamwHyper({ lr: 0.25, decay: 0.4 }, 1, 0));
  program.run();
  assertClose('w', await program.read('w'), [0.65, 1, 0.75, 1], 1e-6);
  program.destroy();
});

test('adamw: what does not fit is named', async () => {
  const g = (await testEngine()).graph();
  const [w, dw, one, hyper] = [g.input('w', [4]), g.input('dw', [5]), g.input('one', [1]), g.input('hyper', [10])];
  assert.throws(() => adamw(w, w, w, dw, w, one, hyper), (e: Error) => e instanceof ShapeError && /adamw: dw .*\[5\] and \[4\]/.test(e.message));
  assert.throws(() => adamw(w, w, w, w, w, w, hyper), (e: Error) => e instanceof ShapeError && /adamw: norm .*\[4\] and \[1\]/.test(e.message));
  assert.throws(() => adamwHyper({ lr: 1, decay: 0 }, 0), /adamw: steps count from 1, got 0/);
});

test.run();
