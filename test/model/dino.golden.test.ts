/** Self-distillation against PyTorch's numbers for the official formulas: the pieces, and twenty steps on one batch. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { adamwHyper, ema, gradients, l2normalize, mul, sum } from '../../engine/index.js';
import { batchCentre, dinoLoss, teacherTargets } from '../../model/pretraining/loss.js';
import { pretrainDefaults, type PretrainOptions } from '../../model/pretraining/options.js';
import { settingsAt } from '../../model/pretraining/schedules.js';
import { pretrainGraph, stateNames } from '../../model/pretraining/steps.js';
import { networkLayout } from '../../model/pretraining/student.js';
import { flatten, unflatten } from '../../model/generators/parameters.js';
import type { Weight } from '../../model/vit/config.js';
import { assertClose, relativeError } from '../helpers/check.js';
import { testEngine } from '../helpers/device.js';
import { fill, golden, testImage } from '../helpers/golden.js';
import { formulaVit } from '../helpers/models.js';

const { get, meta, tolerance } = golden('dino');
const tag: string = meta['tag'];
const close = (name: string, actual: ArrayLike<number>): void => assertClose(name, actual, get(name).data, tolerance(name));

test('loss and its gradient, golden', async () => {
  const engine = await testEngine();
  const g = engine.graph();
  const half = (name: string, shape: number[], scale: number): Float32Array =>
    fill(`${tag}.dino.${name}`, shape).map((v) => scale * v);
  const [s, t, centre] = [g.input('s', [12, 23]), g.input('t', [6, 23]), g.input('centre', [23])];
  const loss = dinoLoss(s, teacherTargets(t, centre, g.constant(Float32Array.of(1 / 0.05))), 0.1);
  const program = await engine.compile({ loss, ds: gradients(loss, [s])[0]! });
  program.write(s, half('student', [12, 23], 0.5));
  program.write(t, half('teacher', [6, 23], 0.5));
  program.write(centre, half('centre', [1, 23], 0.1));
  program.run();
  close('piece.loss', await program.read('loss'));
  close('piece.grad.student', await program.read('ds'));
  program.destroy();
});

test('three updates of the centre, golden', async () => {
  const engine = await testEngine();
  const g = engine.graph();
  const t = g.input('t', [6, 23]);
  const centre = ema(g.parameter('golden.centre', [23]), batchCentre(t), g.constant(Float32Array.of(0.9)));
  const program = await engine.compile({ centre });
  engine.writeParameter('golden.centre', [23], fill(`${tag}.dino.centre`, [1, 23]).map((v) => 0.1 * v));
  for (const times of [1, 2, 3]) {
    program.write(t, fill(`${tag}.dino.teacher`, [6, 23]).map((v) => 0.5 * v * times));
    program.run();
  }
  close('piece.centre.3', await program.read('centre'));
  program.destroy();
});

test('weight norm with gains of one and its gradient, golden', async () => {
  const engine = await testEngine();
  const g = engine.graph();
  const v = g.input('v', [17, 12]);
  const w = l2normalize(v);
  const [dv] = gradients(sum(mul(w, g.constant(fill(`${tag}.dino.seed.weight_norm`, [17, 12]), [17, 12]))), [v]);
  const program = await engine.compile({ w, dv: dv! });
  program.write(v, fill(`${tag}.dino.weight_v`, [17, 12]));
  program.run();
  close('piece.weight_norm', await program.read('w'));
  close('piece.grad.weight_v', await program.read('dv'));
  program.destroy();
});

/** The options of the golden run. */
function goldenOptions(): PretrainOptions {
  const { run, head, config } = meta as Record<string, Record<string, number>>;
  return {
    ...pretrainDefaults, dim: config!['dim']!, depth: config!['depth']!, heads: config!['heads']!, patch: config!['patch']!,
    imageSize: config!['image']!,
    headHidden: head!['hidden']!, bottleneck: head!['bottleneck']!, prototypes: head!['prototypes']!,
    batch: run!['batch']!, locals: run!['locals']!, localSize: run!['local_size']!, epochs: run!['epochs']!, lr: run!['lr']!,
    minLr: run!['min_lr']!,
    warmupEpochs: run!['warmup_epochs']!, weightDecay: run!['weight_decay']!, weightDecayEnd: run!['weight_decay_end']!,
    clip: run!['clip']!,
    momentum: run!['momentum']!, teacherTempStart: run!['teacher_temp_start']!, teacherTemp: run!['teacher_temp']!,
    teacherWarmupEpochs: run!['teacher_warmup_epochs']!,
    studentTemp: run!['student_temp']!, centerMomentum: run!['center_momentum']!, freezeLastLayer: run!['freeze_last_layer']!,
  };
}

/** Crop by crop, photo by photo: [count * batch, 3, side, side]. */
function crops(kind: string, count: number, batch: number, side: number): Float32Array {
  const all = new Float32Array(count * batch * 3 * side * side);
  for (let i = 0; i < count; i++) {
    for (let b = 0; b < batch; b++) all.set(testImage(`${tag}.${kind}.${i}.${b}`, side, side), (i * batch + b) * 3 * side * side);
  }
  return all;
}

test('twenty steps on one batch, golden', async () => {
  const engine = await testEngine();
  const options = goldenOptions();
  const layout = networkLayout(options);
  const weights = new Map<string, Weight>(formulaVit('dino8', tag).weights);
  for (const { name, shape } of layout.slices.filter((s) => s.name.startsWith('head.'))) {
    weights.set(name, { shape, data: fill(`${tag}.${name}`, [...shape], shape.length === 1 ? 0.1 : Math.sqrt(3 / shape[1]!)) });
  }
  for (const key of ['student', 'teacher'] as const) {
    engine.writeParameter(stateNames[key], [layout.size], flatten(layout, weights));
  }
  for (const key of ['momentum', 'variance'] as const) {
    engine.writeParameter(stateNames[key], [layout.size], new Float32Array(layout.size));
  }
  engine.writeParameter(stateNames.centre, [options.prototypes], new Float32Array(options.prototypes));

  const program = await engine.compile(pretrainGraph(engine.graph(), { options, layout }));
  program.write('globals', crops('global', 2, options.batch, options.imageSize));
  program.write('locals', crops('local', options.locals, options.batch, options.localSize));
  const perEpoch: number = meta['run'].steps_per_epoch;
  const expected = get('steps').data;
  assert.ok(expected[2]! > options.clip && expected[3 * 19 + 2]! < options.clip, 'clipping is put to the test both ways');
  for (let step = 0; step < 20; step++) {
    const s = settingsAt(step, perEpoch, options);
    program.write('inverseTemp', [1 / s.teacherTemp]);
    program.write('momentum', [s.momentum]);
    program.write('centreMomentum', [options.centerMomentum]);
    program.write('hyper', adamwHyper({ lr: s.lr, decay: s.weightDecay, clip: options.clip }, step + 1, s.lateStep));
    program.run();
    const stats = await program.read('stats');
    for (const [i, name] of (meta['columns'] as string[]).entries()) {
      const error = relativeError([stats[i]!], [expected[3 * step + i]!]);
      if (process.env['DEBUG']) console.log(step, name, stats[i], error.toExponential(1));
      assert.ok(error <= (name === 'gradient' ? 1e-4 : 2e-5),
        `step ${step}: ${name} is ${stats[i]}, PyTorch has ${expected[3 * step + i]}`);
    }
  }
  const read = async (name: string) => unflatten(layout, await engine.readParameter(name), new Map());
  const [student, teacher] = [await read(stateNames.student), await read(stateNames.teacher)];
  const near = (name: string, actual: Float32Array): void => assertClose(name, actual, get(name).data, 1e-4);
  near('student.cls_token', student!.get('cls_token')!.data);
  near('student.last_layer', student!.get('head.last_layer.weight_v')!.data);
  near('teacher.pos_embed', teacher!.get('pos_embed')!.data);
  near('teacher.norm.weight', teacher!.get('norm.weight')!.data);
  near('centre', await engine.readParameter(stateNames.centre));
  program.destroy();
});

test.run();
