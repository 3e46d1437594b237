/** A pretraining on the GPU: it learns, and a resumed run equals an uninterrupted one. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { formulaVit } from '../helpers/models.js';
import { createEngine, scale, slice } from '../../engine/index.js';
import type { Bitmap } from '../../model/image.js';
import { keptAnswers } from '../../model/pretraining/answers.js';
import { sharedCrop } from '../../model/pretraining/augment.js';
import { stepInputs } from '../../model/pretraining/inputs.js';
import type { Objective } from '../../model/pretraining/objectives.js';
import { distillationDefaults, pretrainDefaults, stepsPerEpoch, type PretrainOptions } from '../../model/pretraining/options.js';
import { startPretrain, type PretrainRun, type PretrainStart } from '../../model/pretraining/pretrain.js';
import type { StepLosses } from '../../model/training/run.js';
import { vitFromWeights } from '../../model/vit/checkpoint.js';
import { interpolatePositions } from '../../model/vit/positions.js';
import { testDevice } from '../helpers/device.js';
import { testImage } from '../helpers/golden.js';

const options: PretrainOptions = {
  ...pretrainDefaults, dim: 16, depth: 2, heads: 2, imageSize: 16, localSize: 8, locals: 2, batch: 3, epochs: 4, warmupEpochs: 1,
  headHidden: 24, bottleneck: 12,
  prototypes: 32, lr: 0.05, momentum: 0.9, seed: 5,
};
const photos: Bitmap[] = Array.from({ length: 7 },
  (_, i) => ({ width: 24, height: 20, data: Uint8Array.from(testImage(`photo${i}`, 20, 24), (v) => 255 * v) }));

/** On an engine of its own: what an earlier run left in another's memory cannot help. */
const start = async (begin?: PretrainStart, change: Partial<PretrainOptions> = {}): Promise<PretrainRun> =>
  startPretrain(createEngine(await testDevice(), { poison: true }), photos, { ...options, ...change }, begin);

async function steps(run: PretrainRun, until: number): Promise<StepLosses[]> {
  const all: StepLosses[] = [];
  while (run.stepsDone < until) {
    await run.step();
    all.push(await run.losses());
  }
  return all;
}

test('a resumed run makes bit-identical steps', async () => {
  const undisturbed = await start();
  assert.is(stepsPerEpoch(photos.length, options), 2);
  const expected = await steps(undisturbed, 8);
  const weights = await undisturbed.weights();
  undisturbed.destroy();

  const first = await start();
  await steps(first, 3); // in the middle of an epoch
  const state = await first.state();
  await steps(first, 5); // what is done after the state was saved is lost
  first.destroy();
  const second = await start({ state });
  assert.equal(await steps(second, 8), expected.slice(3));
  assert.equal(await second.weights(), weights);
  const last = await start({ state: await second.state() });
  assert.equal(await last.losses(), expected.at(-1), 'those of the last step, which is not made again');
  assert.equal((await last.state()).arrays.get('losses')!.length, 3);
  [second, last].forEach((run) => run.destroy());
  assert.ok(expected.every(({ loss, entropy, gradient }) =>
    [loss, entropy, gradient].every(Number.isFinite) && entropy! > 0 && gradient! > 0));
});

test('another seed gives another run', async () => {
  const losses: number[] = [];
  for (const seed of [5, 6]) {
    const run = await start({}, { seed });
    losses.push((await steps(run, 1))[0]!.loss!);
    run.destroy();
  }
  assert.ok(losses[0] !== losses[1], String(losses));
});

test('the last layer is held still in the first epoch, then moves', async () => {
  const run = await start();
  const head = (flat: Float32Array): Float32Array => flat.slice(flat.length - 32 * 12); // no gap follows: 384 is a multiple of 64
  const initial = head((await run.state()).arrays.get('student')!);
  await steps(run, 2);
  const { arrays } = await run.state();
  assert.equal(head(arrays.get('student')!), initial);
  assert.ok(head(arrays.get('momentum')!).every((v) => v === 0));
  assert.ok(arrays.get('momentum')!.some((v) => v !== 0));
  await steps(run, 3);
  assert.not.equal(head((await run.state()).arrays.get('student')!), initial);
  run.destroy();
});

test('the student learns from the teacher: the distance between them falls', async () => {
  const run = await start({}, { epochs: 40, lr: 0.2 });
  const all = await steps(run, 60);
  const distance = (part: StepLosses[]): number => part.reduce((sum, s) => sum + s.loss! - s.entropy!, 0) / part.length;
  assert.ok(distance(all.slice(-10)) < 0.8 * distance(all.slice(0, 10)),
    `${distance(all.slice(0, 10))} to ${distance(all.slice(-10))}`);
  run.destroy();
});

test('learning from another ViT: the distance falls, a resumed run makes the same steps, and a ViT comes out', async () => {
  const teacher = formulaVit('dino8', 'teacher');
  const change = { epochs: 12, lr: 1 };
  const undisturbed = await start({ teacher }, change);
  const expected = await steps(undisturbed, 24);
  const weights = await undisturbed.weights();
  undisturbed.destroy();
  const mean = (part: StepLosses[]): number => part.reduce((sum, s) => sum + s.loss!, 0) / part.length;
  assert.ok(mean(expected.slice(-4)) < 0.7 * mean(expected.slice(0, 4)),
    `${mean(expected.slice(0, 4))} to ${mean(expected.slice(-4))}`);
  assert.equal(Object.keys(expected[0]!), ['step', 'loss', 'cls', 'keys', 'similarity', 'gradient']);

  const first = await start({ teacher }, change);
  await steps(first, 3);
  const state = await first.state();
  assert.equal([...state.arrays.keys()], ['student', 'momentum', 'variance', 'losses']);
  first.destroy();
  const second = await start({ teacher, state }, change);
  assert.equal(await steps(second, 24), expected.slice(3));
  assert.equal(await second.weights(), weights);
  const { tokens } = await second.keys(new Float32Array(3 * 32 * 32).fill(0.5), 32);
  assert.is(tokens, 17);
  second.destroy();
  assert.is(vitFromWeights('made', weights, { heads: 2 }).config.dim, 16);
});

test('crops that come again: the same losses, also of a run that was resumed without the kept answers', async () => {
  const teacher = formulaVit('dino8', 'teacher');
  const [always, again] = [{ epochs: 6, mixup: 0.5 }, { epochs: 6, mixup: 0.5, views: 2 }];
  const anew = await start({ teacher }, always);
  const first = await steps(anew, 4); // two epochs: each view once
  anew.destroy();
  const undisturbed = await start({ teacher }, again);
  const expected = await steps(undisturbed, 12);
  const weights = await undisturbed.weights();
  undisturbed.destroy();
  first.forEach(({ loss }, i) => assert.ok(Math.abs(loss! / expected[i]!.loss! - 1) < 1e-5, `${loss}, ${expected[i]!.loss}`));

  const run = await start({ teacher }, again);
  await steps(run, 5);
  const state = await run.state();
  run.destroy();
  const second = await start({ teacher, state }, again);
  assert.equal(await steps(second, 12), expected.slice(5));
  assert.equal(await second.weights(), weights);
  second.destroy();
});

test('several sizes: the losses are the mean over those of each, with kept answers too', async () => {
  const teacher = formulaVit('dino8', 'teacher');
  // A plain colour is the same in crops of every size.
  const colour = (photo: number, channel: number): number => 30 * (photo + 1) + 9 * channel;
  const plain = photos.map(({ width, height, data }, i): Bitmap =>
    ({ width, height, data: data.map((_, at) => colour(i, Math.floor(at / (width * height)))) }));
  const begin = await start();
  const init = await begin.weights();
  begin.destroy();
  const first = async (change: Partial<PretrainOptions>): Promise<StepLosses> => {
    const engine = createEngine(await testDevice(), { poison: true });
    const run = await startPretrain(engine, plain, { ...options, ...change }, { teacher, init });
    const [losses] = await steps(run, 1);
    run.destroy();
    return losses!;
  };
  const [small, large] = [await first({}), await first({ imageSize: 32 })];
  for (const change of [{}, { views: 2 }, { otherSizes: [32, 16, 32] }]) {
    const both = await first({ otherSizes: [32], ...change });
    for (const part of ['loss', 'cls', 'keys', 'similarity']) {
      const expected = (small[part]! + large[part]!) / 2;
      assert.ok(Math.abs(both[part]! / expected - 1) < 1e-4, `${part}: ${both[part]}, ${expected}`);
      assert.ok(Math.abs(small[part]! / large[part]! - 1) > 1e-3, `${part} differs between sizes`);
    }
  }
});

test('crops are blended with another photo, the first one being the larger part', async () => {
  const plain = (value: number): Bitmap => ({ width: 8, height: 8, data: new Uint8Array(3 * 64).fill(value) });
  const blacks = async (mixup: number): Promise<number[]> => {
    const options = { ...distillationDefaults, batch: 2, mixup };
    const objective = { crops: new Map([['crops', [sharedCrop(4, [0.3, 1])]]]) } as unknown as Objective;
    const inputs = await stepInputs(createEngine(await testDevice()), objective, [plain(0), plain(255)], options);
    const steps = await Promise.all(Array.from({ length: 8 }, (_, step) => inputs.of(step)));
    // The darker of the two crops begins with the black photo.
    return steps.map(([input]) => {
      const crops = input![1];
      return Math.min(...[crops.slice(0, 48), crops.slice(48)].map((crop) => Math.max(...crop)));
    });
  };
  assert.equal(await blacks(0), Array(8).fill(0));
  const blended = await blacks(1);
  assert.ok(Math.max(...blended) > 0.1 && Math.max(...blended) < 0.5, `${blended}`);
});

test('an answer is asked for once', async () => {
  const engine = createEngine(await testDevice(), { poison: true });
  const answers = await keptAnswers(engine, (g) => {
    const crops = g.input('crops', [2, 3]);
    return { twice: scale(crops, 2), rest: slice(crops, 1, 1, 3) };
  });
  const [one, other] = [Float32Array.of(1, 2, 3, 4, 5, 6), Float32Array.of(9, 9, 9, 7, 8, 9)];
  assert.equal([...await answers.of(['a', 'b'], one)], [['twice', one.map((v) => 2 * v)], ['rest', Float32Array.of(2, 3, 5, 6)]]);
  assert.equal((await answers.of(['b', 'a'], other)).get('rest'), Float32Array.of(5, 6, 2, 3), 'kept, in the given order');
  assert.equal((await answers.of(['a', 'c'], other)).get('rest'), Float32Array.of(9, 9, 8, 9), 'asked with a new one');
  answers.destroy();
});

test('the teacher is a ViT that the rest of the project reads, and another run can begin with', async () => {
  const run = await start();
  await steps(run, 3);
  const weights = await run.weights();
  const { config } = vitFromWeights('made', weights, { heads: 2 });
  assert.equal([config.dim, config.depth, config.patch, config.image], [16, 2, 8, 16]);
  assert.ok(weights.has('norm.weight') && ![...weights.keys()].some((name) => name.startsWith('head.')));
  run.destroy();
  const next = await start({ init: weights });
  assert.equal(await next.weights(), weights);
  next.destroy();
  const larger = await start({ init: weights }, { imageSize: 24 });
  const positions = (await larger.weights()).get('pos_embed')!;
  assert.equal(positions, { shape: [1, 10, 16], data: interpolatePositions(weights.get('pos_embed')!, 3, 3) });
  larger.destroy();
  const wrong = new Map([...weights, ['norm.weight', { shape: [3], data: new Float32Array(3) }]]);
  const refused = await start({ init: wrong }).then(() => '', (e: Error) => e.message);
  assert.match(refused, /norm\.weight must be \[16\], the file has \[3\]/);
});

test('keys of pictures larger than the crops', async () => {
  const run = await start();
  const { data, tokens } = await run.keys(new Float32Array(2 * 3 * 32 * 32).fill(0.5), 32);
  assert.equal([tokens, data.length], [17, 2 * 17 * 16]);
  assert.ok(data.every(Number.isFinite));
  run.destroy();
});

test('too few photos, and a state of another size, are named', async () => {
  assert.match(await start({}, { batch: 8 }).then(() => '', (e: Error) => e.message),
    /7 photos are fewer than the 8 of one step/);
  const run = await start();
  const state = await run.state();
  run.destroy();
  assert.match(await start({ state }, { dim: 24 }).then(() => '', (e: Error) => e.message),
    /the saved state does not fit: student has \d+ values, expected \d+/);
});

test.run();
