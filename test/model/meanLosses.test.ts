/** Figures to compare runs by: the same draws for each, of the generator that makes the result, and the run goes on as before. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createEngine } from '../../engine/index.js';
import { defaultOptions, termNames, type SpliceOptions } from '../../model/method/options.js';
import { startSplice, type SpliceRun } from '../../model/training/pair.js';
import type { TrainingState } from '../../model/training/run.js';
import { assertClose } from '../helpers/check.js';
import { testDevice } from '../helpers/device.js';
import { testImage } from '../helpers/golden.js';
import { formulaVit } from '../helpers/models.js';

const vit = formulaVit('probe8', 'meanLosses', 0.5);
const image = (name: string, height: number, width: number) => ({ width, height, data: testImage(name, height, width) });
const [structure, appearance] = [image('mean.a', 44, 48), image('mean.b', 45, 46)];
const options: SpliceOptions = { ...defaultOptions, warmStart: 0, vitSize: 32, steps: 100 };

async function onRun<T>(change: Partial<SpliceOptions>, from: TrainingState | undefined, use: (run: SpliceRun) => Promise<T>) {
  const engine = createEngine(await testDevice(), { poison: true });
  const run = await startSplice(engine, vit, structure, appearance, { ...options, ...change }, from);
  try {
    return await use(run);
  } finally {
    run.destroy();
    engine.destroy();
  }
}

const stepped = async (run: SpliceRun, count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await run.step();
};

const isSame = (a: Float32Array, b: Float32Array): boolean => Buffer.from(a.buffer).equals(Buffer.from(b.buffer));

let state: TrainingState;
let mean: Record<string, number>;

test('a run goes on after its mean losses as if they had not been asked for', async () => {
  const undisturbed = await onRun({ seed: 5 }, undefined, async (run) => {
    await stepped(run, 3);
    return run.state();
  });
  await onRun({ seed: 5 }, undefined, async (run) => {
    await stepped(run, 2);
    state = await run.state();
    const before = await run.losses();
    mean = await run.meanLosses();
    assert.equal(await run.losses(), before);
    await stepped(run, 1);
    for (const [name, data] of (await run.state()).arrays) assert.ok(isSame(data, undisturbed.arrays.get(name)!), name);
  });
});

test('mean losses do not depend on the seed', async () => {
  assert.equal(Object.keys(mean), termNames(options));
  assert.equal(await onRun({ seed: 6 }, state, (run) => run.meanLosses()), mean);
  const begun = { seed: 6, warmSeed: 5, sharedSteps: 9 };
  assert.equal(await onRun(begun, state, (run) => run.meanLosses()), mean, 'with the steps of another seed');
});

test('mean losses are those of sixteen steps that change nothing, of the average generator', async () => {
  const average = state.arrays.get('average')!;
  const from = { counters: { ...state.counters, stepsDone: 1 }, arrays: new Map(state.arrays).set('weights', average) };
  const sums: Record<string, number> = {};
  await onRun({ seed: 2 ** 32 - 1, lr: 0 }, from, async (run) => {
    for (let i = 0; i < 16; i++) {
      await run.step();
      const { step: _, ...losses } = await run.losses();
      for (const [name, value] of Object.entries(losses)) sums[name] = (sums[name] ?? 0) + value / 16;
    }
  });
  for (const [name, value] of Object.entries(mean)) assertClose(name, [value], [sums[name]!], 1e-5);
});

test.run();
