/** Recomputing for less memory: bit-identical numbers, and the reported need of a run. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkMemory } from '../../cli/run/memory.js';
import {
  createEngine, gradients, Graph, mse, OutOfMemoryError, pack, schedule, sizeOf, type Tensor,
} from '../../engine/index.js';
import { bindParameters, flatten, layoutOf } from '../../model/generators/parameters.js';
import { skipNetwork } from '../../model/generators/skip.js';
import { describeMemory, memoryNeed } from '../../model/training/memoryNeed.js';
import { defaultOptions, type RecipeName } from '../../model/method/options.js';
import { recipes } from '../../model/method/recipes.js';
import { startSplice } from '../../model/training/pair.js';
import type { Setting } from '../../model/method/steps.js';
import { testDevice } from '../helpers/device.js';
import { testImage } from '../helpers/golden.js';
import { formulaGenerator, formulaVit } from '../helpers/models.js';

const [H, W] = [35, 46];

/** The generator's picture, a loss and the gradients of all its weights. */
function training(g: Graph, lean: boolean): Record<string, Tensor> {
  const generator = skipNetwork({ down: [8, 12, 16], windows: [3, 3, 3] });
  const bound = bindParameters(g, 'weights', layoutOf(generator));
  const x = g.input('photo', [1, 3, H, W]);
  const y = lean ? g.recomputed(() => generator.forward(bound.get, x)) : generator.forward(bound.get, x);
  const loss = mse(y, g.input('target', [1, 3, H, W]));
  return { y, loss, dw: pack(gradients(loss, bound.views)) };
}

test('recomputing gives bit-identical numbers', async () => {
  const generator = skipNetwork({ down: [8, 12, 16], windows: [3, 3, 3] });
  const layout = layoutOf(generator);
  const results: Record<string, Float32Array>[] = [];
  for (const lean of [false, true]) {
    const engine = createEngine(await testDevice(), { poison: true });
    engine.writeParameter('weights', [layout.size], flatten(layout, formulaGenerator(generator, 'lean')));
    const program = await engine.compile(training(engine.graph(), lean));
    program.write('photo', testImage('a', H, W));
    program.write('target', testImage('b', H, W));
    program.run();
    const dw = await program.read('dw');
    const used = layout.slices.flatMap(({ offset, shape }) =>
      [...dw.subarray(offset, offset + sizeOf(shape))]);
    results.push({ y: await program.read('y'), loss: await program.read('loss'), dw: Float32Array.from(used) });
    program.destroy();
    engine.destroy();
  }
  assert.ok(results[0]!['dw']!.every(Number.isFinite) && results[0]!['dw']!.some((v) => v !== 0));
  assert.equal(results[1], results[0]);
});

test('it needs less memory, and only norms, activations, enlargements and joins run twice', () => {
  const planned = (recomputing: boolean) => schedule(Object.values(training(new Graph(), recomputing)));
  const [kept, lean] = [planned(false), planned(true)];
  assert.ok(lean.plan.lowerBound < 0.8 * kept.plan.lowerBound, `${lean.plan.lowerBound} against ${kept.plan.lowerBound}`);
  const count = (s: typeof kept, name: string) => s.launches.filter((n) => n.op.name === name).length;
  assert.is(count(lean, 'conv2d'), count(kept, 'conv2d'));
  assert.ok(count(lean, 'batchnorm') > count(kept, 'batchnorm'));
  assert.ok(lean.launches.some((n) => n.recompute === 'again') && kept.launches.every((n) => n.recompute === undefined));
});

function setting(recipe: RecipeName, size: number, checkpointing: boolean): Setting {
  const generator = recipes[recipe].generator();
  const photo = { width: size, height: size, data: new Float32Array() };
  const options = { ...defaultOptions, recipe, vitSize: 32, checkpointing };
  return { vit: formulaVit('probe8', 'v'), generator, layout: layoutOf(generator), structure: photo, appearance: photo, options };
}

for (const recipe of ['splice', 'splice-transfer'] as const) {
  test(`${recipe}: 1080p trains in 4 GB by the plan, with room for a ViT-B`, () => {
    const need = memoryNeed(setting(recipe, 1080, true));
    assert.ok(need.total < 3.6 * 2 ** 30, describeMemory(need));
    assert.ok(need.lowerBound <= need.slots && need.slots < need.total && need.largest < need.slots);
    assert.ok(memoryNeed(setting(recipe, 1080, false)).total > 1.3 * need.total);
  });
}

test('what cannot be held is refused with a remedy', async () => {
  const need = { total: 2 ** 31, slots: 2 ** 30, lowerBound: 2 ** 30, largest: 2 ** 28 };
  const adapter = { vendor: '', architecture: '', device: '', driver: '', software: true };
  const message = /needs 2\.0 GiB of memory, this machine has 1\.0 GiB: use a smaller --size$/;
  assert.throws(() => checkMemory(need, adapter, 'use a smaller --size', 2 ** 30), message);
  checkMemory(need, adapter, 'use a smaller --size', 2 ** 32);
  checkMemory(need, { ...adapter, software: false }, 'use a smaller --size', 2 ** 30);
  assert.is(describeMemory(need),
    'memory: 2.0 GiB on the device, 1.0 GiB of it for the largest step; the largest buffer has 256 MiB');

  const huge = { width: 3000, height: 3000, data: new Float32Array() };
  const engine = createEngine(await testDevice());
  const error = await startSplice(engine, formulaVit('probe8', 'v'), huge, huge, { ...defaultOptions, vitSize: 32 })
    .then(() => undefined, (e: unknown) => e);
  assert.instance(error, OutOfMemoryError);
  assert.match((error as Error).message, /the largest tensor needs .* MiB, this device binds at most/);
});

test.run();
