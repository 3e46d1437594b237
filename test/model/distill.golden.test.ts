/** Learning from another ViT against PyTorch's numbers: ten steps on one batch. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { adamwHyper } from '../../engine/index.js';
import { flatten, unflatten } from '../../model/generators/parameters.js';
import { distillation } from '../../model/pretraining/objectives.js';
import { distillationDefaults, type PretrainOptions } from '../../model/pretraining/options.js';
import { settingsAt } from '../../model/pretraining/schedules.js';
import { stateNames } from '../../model/pretraining/steps.js';
import type { Weight } from '../../model/vit/config.js';
import { uploadVit } from '../../model/vit/vit.js';
import { assertClose, relativeError } from '../helpers/check.js';
import { testEngine } from '../helpers/device.js';
import { fill, golden, testImage } from '../helpers/golden.js';
import { formulaVit } from '../helpers/models.js';

const { get, meta } = golden('distill');
const tag: string = meta['tag'];
const {
  batch, epochs, steps_per_epoch: perEpoch, lr, min_lr: minLr, warmup_epochs: warmupEpochs, weight_decay: weightDecay, clip,
} = meta['run'] as Record<string, number>;
const options: PretrainOptions = {
  ...distillationDefaults, dim: 32, depth: 2, heads: 2, patch: 8, imageSize: 32, batch: batch!, epochs: epochs!, lr: lr!,
  minLr: minLr!, warmupEpochs: warmupEpochs!,
  weightDecay: weightDecay!, weightDecayEnd: weightDecay!, clip: clip!, freezeLastLayer: 0,
};

test('ten steps on one batch, golden', async () => {
  const engine = await testEngine();
  const teacher = formulaVit('teacher16', `${tag}.teacher`);
  uploadVit(engine, teacher);
  const { setting: { layout }, state, figures, graph } = distillation(options, teacher);
  const weights = new Map<string, Weight>(formulaVit('dino8', tag).weights);
  for (const { name, shape } of layout.slices.filter((s) => s.name.startsWith('head.'))) {
    weights.set(name, { shape, data: fill(`${tag}.${name}`, [...shape], shape.length === 1 ? 0.1 : Math.sqrt(3 / shape[1]!)) });
  }
  for (const [key, size] of state) {
    engine.writeParameter(stateNames[key], [size], key === 'student' ? flatten(layout, weights) : new Float32Array(size));
  }

  const program = await engine.compile(graph(engine.graph()));
  const crops = new Float32Array(batch! * 3 * 64 * 64);
  for (let b = 0; b < batch!; b++) crops.set(testImage(`${tag}.crop.${b}`, 64, 64), b * 3 * 64 * 64);
  program.write('crops', crops);
  const expected = get('steps').data;
  assert.equal(figures, meta['columns']);
  const gradient = (step: number): number => expected[figures.length * step + 4]!;
  assert.ok(gradient(0) > clip! && gradient(9) < clip!, 'clipping is put to the test both ways');
  for (let step = 0; step < 10; step++) {
    const s = settingsAt(step, perEpoch!, options);
    program.write('hyper', adamwHyper({ lr: s.lr, decay: s.weightDecay, clip: clip! }, step + 1, s.lateStep));
    program.run();
    const stats = await program.read('stats');
    for (const [i, name] of figures.entries()) {
      const error = relativeError([stats[i]!], [expected[figures.length * step + i]!]);
      assert.ok(error <= 2e-5, `step ${step}: ${name} is ${stats[i]}, PyTorch has ${expected[figures.length * step + i]}`);
    }
  }
  const student = unflatten(layout, await engine.readParameter(stateNames.student), new Map());
  for (const name of ['cls_token', 'pos_embed', 'norm.weight', 'head.keys.weight']) {
    assertClose(name, student.get(name)!.data, get(name).data, 1e-4);
  }
  program.destroy();
});

test.run();
