/** A resumed run is bit-identical to an uninterrupted one, at every point of interruption. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createEngine } from '../../engine/index.js';
import { defaultOptions, unsteadied, type RecipeName, type SpliceOptions, type Steadying } from '../../model/method/options.js';
import type { TrainingState } from '../../model/training/run.js';
import { startSplice } from '../../model/training/pair.js';
import { testDevice } from '../helpers/device.js';
import { testImage } from '../helpers/golden.js';
import { formulaVit } from '../helpers/models.js';

const vit = formulaVit('probe8', 'resume', 0.5);
const image = (name: string, height: number, width: number) => ({ width, height, data: testImage(name, height, width) });
// Crops of 42 to 44 and 43 to 45 pixels: programs are compiled for some of these and serve the others.
const [structure, appearance] = [image('resume.a', 44, 48), image('resume.b', 45, 46)];
const WARM_START = 2;
const STEPS = 4;
const options = { ...defaultOptions, ...unsteadied, steps: STEPS, vitSize: 32, warmStart: WARM_START };

/** Runs up to step `until` on a new engine, from the start or a state; returns each step's losses, the state and the picture. */
async function stretch(recipe: RecipeName, until: number, from?: TrainingState, change: Partial<SpliceOptions> = {}) {
  const engine = createEngine(await testDevice(), { poison: true });
  const run = await startSplice(engine, vit, structure, appearance,
    { ...options, ...change, recipe }, from);
  const losses: string[] = [];
  while (run.warmStepsDone + run.stepsDone < until) {
    await run.step();
    losses.push(JSON.stringify(await run.losses()));
  }
  const [state, picture] = [await run.state(), await run.result()];
  run.destroy();
  engine.destroy();
  return { losses, state, picture };
}

const bytes = (data: Float32Array): string => Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64');
const same = (a: TrainingState, b: TrainingState): void => {
  assert.equal([...a.arrays.keys()].filter((name) => name !== 'average'), ['weights', 'momentum', 'variance', 'losses']);
  assert.equal([...a.arrays.keys()], [...b.arrays.keys()]);
  for (const [name, data] of a.arrays) assert.ok(bytes(data) === bytes(b.arrays.get(name)!), `${name} differ`);
  assert.equal(a.counters, b.counters);
};

/** Everything that steadies a training. */
const steadied: Steadying = {
  ema: 0.9, lrDecay: 0.75, lrWarmup: 0.5, clip: 0.01, lambdaPatches: 2, patchColours: 3, lambdaColours: 4, keyLayers: [0, 1],
  lambdaTexture: 3, warmLook: 0.5, lambdaStill: 0,
};

for (const [recipe, steadying] of [['splice', unsteadied], ['splice', steadied], ['splice-transfer', steadied]] as const) {
  const how = steadying === steadied ? ', steadied' : '';
  test(`${recipe}${how}: continues bit-identically from within the warm start and from later`, async () => {
    const end = WARM_START + STEPS;
    const whole = await stretch(recipe, end, undefined, steadying);
    assert.equal(new Set(whole.losses).size, end, 'every step is another');
    assert.is(whole.state.arrays.has('average'), steadying.ema > 0);
    for (const stop of [1, 4]) {
      const first = await stretch(recipe, stop, undefined, steadying);
      const second = await stretch(recipe, end, first.state, steadying);
      assert.equal([...first.losses, ...second.losses], whole.losses, `interrupted after ${stop} steps`);
      same(second.state, whole.state);
      assert.ok(bytes(second.picture.data) === bytes(whole.picture.data), 'pictures differ');
    }
  });
}

test('with --warm-seed, a run is that of the other seed until the shared steps end, and its own afterwards', async () => {
  const own = { seed: 2, warmSeed: 1 };
  const [whole, start] = [await stretch('splice', 4, undefined, own), await stretch('splice', WARM_START)];
  assert.equal(whole.losses.slice(0, WARM_START), start.losses);
  same((await stretch('splice', 4, start.state, own)).state, whole.state);
  const [one, two] = [await stretch('splice', 4), await stretch('splice', 4, undefined, { seed: 2 })];
  assert.not.equal(whole.losses.slice(0, WARM_START), two.losses.slice(0, WARM_START));
  assert.not.equal(whole.losses.slice(WARM_START), one.losses.slice(WARM_START));
  const shared = await stretch('splice', 4, undefined, { ...own, sharedSteps: 1 });
  assert.equal(shared.losses.slice(0, WARM_START + 1), one.losses.slice(0, WARM_START + 1));
  assert.not.equal(shared.losses.at(-1), one.losses.at(-1));
});

test('a picture or a state asked for on the way changes nothing', async () => {
  const whole = await stretch('splice', 5);
  const engine = createEngine(await testDevice(), { poison: true });
  const run = await startSplice(engine, vit, structure, appearance, options);
  for (let i = 0; i < 5; i++) {
    await run.step();
    await run.result();
    await run.state();
  }
  same(await run.state(), whole.state);
  run.destroy();
  engine.destroy();
});

test('losses of a state are those of its last step, without making one', async () => {
  const { state, losses } = await stretch('splice', 4);
  const engine = createEngine(await testDevice(), { poison: true });
  const run = await startSplice(engine, vit, structure, appearance, options, state);
  assert.is(JSON.stringify(await run.losses()), losses.at(-1));
  run.destroy();
  engine.destroy();
});

test('a state of another generator or another warm start is refused', async () => {
  const { state } = await stretch('splice', 3);
  const engine = createEngine(await testDevice(), { poison: true });
  const start = (change: object, from: TrainingState) =>
    startSplice(engine, vit, structure, appearance, { ...options, ...change }, from);
  const refused = async (promise: Promise<unknown>, text: RegExp) =>
    assert.match(await promise.then(() => 'accepted', (error: Error) => error.message), text);
  await refused(start({ recipe: 'splice-transfer' }, state), /weights has \d+ values, this generator needs \d+/);
  await refused(start({ warmStart: 1 }, state), /2 steps of warm start and 1 after it, the options have a warm start of 1/);
  await refused(start({ warmStart: 9 }, state), /the options have a warm start of 9/);
  engine.destroy();
});

test.run();
