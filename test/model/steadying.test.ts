/** The parts that steady a pair's training, each by its effect on the state of a short run. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createEngine } from '../../engine/index.js';
import { toLab } from '../../model/compare/lab.js';
import { colourProfile, profileDistance } from '../../model/compare/wasserstein.js';
import { flatten, layoutOf, rolesOf } from '../../model/generators/parameters.js';
import { defaultOptions, published, unsteadied, withoutUnused, type SpliceOptions } from '../../model/method/options.js';
import type { Image } from '../../model/image.js';
import { recipes } from '../../model/method/recipes.js';
import type { SpliceRun } from '../../model/training/pair.js';
import { startSplice } from '../../model/training/pair.js';
import { rateAt } from '../../model/training/steps.js';
import { assertClose } from '../helpers/check.js';
import { testDevice } from '../helpers/device.js';
import { testImage } from '../helpers/golden.js';
import { formulaVit } from '../helpers/models.js';

const vit = formulaVit('probe8', 'steadying', 0.5);
const image = (name: string, height: number, width: number) => ({ width, height, data: testImage(name, height, width) });
const [structure, appearance] = [image('steadying.a', 40, 44), image('steadying.b', 42, 40)];
const layout = layoutOf(recipes.splice.generator());
/** Of a flat array, the elements that belong to parameters. */
const used = (data: Float32Array): Float32Array => data.filter((_, i) => rolesOf(layout)[i] === 0);

/** `use` gets the run after each of some steps. */
async function run(steps: number, change: Partial<SpliceOptions>, use: (run: SpliceRun) => Promise<void>): Promise<void> {
  const engine = createEngine(await testDevice(), { poison: true });
  const options = { ...defaultOptions, ...published, vitSize: 32, ...change };
  const splice = await startSplice(engine, vit, structure, appearance, options);
  for (let i = 0; i < steps; i++) {
    await splice.step();
    await use(splice);
  }
  splice.destroy();
  engine.destroy();
}

/** The flat array `name` of the state after each step. */
async function states(steps: number, change: Partial<SpliceOptions>, name = 'weights'): Promise<Float32Array[]> {
  const found: Float32Array[] = [];
  await run(steps, change, async (splice) => void found.push(used((await splice.state()).arrays.get(name)!)));
  return found;
}

test('the published method is a constant rate and nothing else, and the same run as its options one by one', async () => {
  assert.equal(published, { warmStart: 0, ...unsteadied });
  const byName = {
    warmStart: 0, ema: 0, lrDecay: 0, lrWarmup: 0, clip: 0,
    lambdaPatches: 0, patchColours: 0, lambdaColours: 0, keyLayers: [], lambdaTexture: 0, warmLook: 0, lambdaStill: 0,
  };
  const [first, second] = [await states(3, published), await states(3, { ...defaultOptions, ...byName, vitSize: 32 })];
  assert.equal(first.map((data) => [...data]), second.map((data) => [...data]));
});

test('ema: picture and generator are the average, and the training is the same', async () => {
  const raw = await states(4, {});
  const average = Float64Array.from(raw[0]!);
  const [seen, pictures]: [Float32Array[], Float32Array[]] = [[], []];
  await run(4, { ema: 0.2 }, async (splice) => {
    const { arrays } = await splice.state();
    const update = splice.stepsDone;
    assert.equal([...used(arrays.get('weights')!)], [...raw[update - 1]!], 'weights are those of a run without an average');
    // Before the first step the average is the initial weights, of which 1/10 stays.
    if (update === 1) used(arrays.get('average')!).forEach((v, i) => (average[i] = v));
    else {
      const kept = Math.min(0.2, update / (9 + update));
      average.forEach((v, i) => (average[i] = kept * v + (1 - kept) * raw[update - 1]![i]!));
    }
    assertClose(`average after ${update} steps`, used(arrays.get('average')!), average, 1e-6);
    seen.push(used(flatten(layout, await splice.weights())));
    assert.equal([...seen.at(-1)!], [...used(arrays.get('average')!)], 'the generator that is saved');
    pictures.push((await splice.result()).data);
  });
  await run(4, {}, async (splice) => assert.not.equal((await splice.result()).data, pictures[splice.stepsDone - 1]));
});

const rates = (change: Partial<SpliceOptions>, steps: readonly number[]): number[] =>
  steps.map((step) => rateAt({ ...defaultOptions, ...unsteadied, lr: 8, steps: 16, ...change }, 'train', step));

test('lr-decay: the rate falls evenly over the last share of the steps', () => {
  assert.equal(rates({ lrDecay: 0.5 }, [0, 7, 8, 9, 12, 15]), [8, 8, 8, 7, 4, 1]);
  assert.equal(rates({ lrDecay: 1 }, [0, 4, 15]), [8, 6, 0.5]);
  assert.equal(rates({ lrDecay: 0 }, [0, 15]), [8, 8]);
  assert.equal(rates({ lrDecay: 0 }, [16, 17]), [8, 8], 'beyond the last step');
  assert.equal(rates({ lrDecay: 0.5, steps: 32 }, [15, 16, 24]), [8, 8, 4], 'with more steps it rises again');
  assert.is(rateAt({ ...defaultOptions, lr: 8, steps: 2, lrDecay: 1 }, 'warm-start', 70), 8);
});

test('lr-warmup: the rate rises evenly over the first share of the steps, as far as its fall lets it', () => {
  assert.equal(rates({ lrWarmup: 0.25 }, [0, 1, 2, 3, 4, 15]), [2, 4, 6, 8, 8, 8]);
  assert.equal(rates({ lrWarmup: 1, lrDecay: 1 }, [0, 7, 8, 15]), [0.5, 4, 4, 0.5]);
  assert.equal(rates({ lrWarmup: 0.01 }, [0, 1]), [8, 8], 'less than a step');
  assert.is(rateAt({ ...defaultOptions, lr: 8, lrWarmup: 1 }, 'warm-start', 0), 8);
});

test('lr-decay: a step moves each weight in proportion to its rate', async () => {
  const [first] = await states(1, { lrDecay: 1, steps: 1 });
  const [full] = await states(1, { lrDecay: 0, steps: 1 });
  assert.equal([...first!], [...full!], 'the first step has the whole rate');
  const moved = ([before, after]: Float32Array[]): number[] => [...after!].map((v, i) => v - before![i]!);
  const [constant, falling] = [await states(2, { lrDecay: 0 }), await states(2, { lrDecay: 1, steps: 2 })];
  assertClose('half of the move', Float64Array.from(moved(falling), (v) => 2 * v), moved(constant), 2e-3);
});

test('clip: the gradient that Adam sees is as long as the limit; a limit beyond it changes nothing', async () => {
  const [plain] = await states(1, {}, 'variance');
  const length = (variance: Float32Array): number => Math.sqrt(variance.reduce((sum, v) => sum + v, 0) / (1 - Math.fround(0.99)));
  const limit = length(plain!) / 8;
  const [clipped] = await states(1, { clip: limit }, 'variance');
  assert.ok(Math.abs(length(clipped!) / limit - 1) < 1e-4, `${length(clipped!)} instead of ${limit}`);
  assertClose('direction', Float64Array.from(clipped!, (v) => 64 * v), plain!, 1e-4);
  const [far] = await states(1, { clip: 100 * limit }, 'variance');
  assert.equal([...far!], [...plain!]);
});

test('lambda-colours: its term is among the losses, and colours come nearer to those of the appearance', async () => {
  const colours = (image: Image) => colourProfile(toLab(image));
  const distances: number[] = [];
  for (const lambdaColours of [0, 50]) {
    await run(16, { lambdaColours }, async (splice) => {
      assert.is((await splice.losses())['colours'] !== undefined, lambdaColours > 0);
      if (splice.stepsDone === 16) distances.push(profileDistance(colours(await splice.result()), colours(appearance)));
    });
  }
  assert.ok(distances[1]! < 0.9 * distances[0]!, distances.join(', '));
});

test('patch-colours: colours make the distance of patches larger, and no other term', async () => {
  const first: Readonly<Record<string, number>>[] = [];
  for (const patchColours of [0, 1, 2]) {
    await run(2, { lambdaPatches: 4, patchColours }, async (splice) => {
      const losses = await splice.losses();
      const [structureTerm, appearanceTerm, identity, patches] =
        ['structure', 'appearance', 'identity', 'patches'].map((name) => losses[name]!) as [number, number, number, number];
      if (splice.stepsDone === 1) first.push(losses); // Its update is that of the appearance alone.
      else assertClose('total', [losses['total']!], [structureTerm + 10 * appearanceTerm + identity + 4 * patches], 1e-5);
    });
  }
  const [without, once, twice] = first.map((losses) => losses['patches']!) as [number, number, number];
  assert.ok(once > 1.02 * without && twice > once && twice <= without + 2, JSON.stringify(first));
  for (const name of ['structure', 'appearance', 'identity']) {
    for (const losses of first.slice(1)) assertClose(name, [losses[name]!], [first[0]![name]!], 1e-5);
  }
});

test('options that are switched off are those of a run from before they existed', () => {
  const parts = Object.keys(unsteadied);
  const earlier = Object.fromEntries(Object.entries(defaultOptions).filter(([name]) => !parts.includes(name)));
  assert.equal(withoutUnused({ ...defaultOptions, ...unsteadied }), earlier);
  assert.equal(withoutUnused({ ...defaultOptions, ...unsteadied, clip: 2 }), { ...earlier, clip: 2 });
});

test.run();
