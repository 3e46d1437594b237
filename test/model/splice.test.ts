/** A whole run on a small ViT: the same seed gives the same run, new crop sizes no pipelines, long runs no memory. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createEngine, Graph, schedule, type Engine } from '../../engine/index.js';
import { layoutOf } from '../../model/generators/parameters.js';
import { defaultOptions, published, type SpliceOptions } from '../../model/method/options.js';
import { recipes } from '../../model/method/recipes.js';
import { startSplice } from '../../model/training/pair.js';
import { stepGraph, type Setting } from '../../model/method/steps.js';
import { testDevice } from '../helpers/device.js';
import { testImage } from '../helpers/golden.js';
import { formulaVit } from '../helpers/models.js';

const vit = formulaVit('probe8', 'run', 0.5);
const image = (name: string, height: number, width: number) => ({ width, height, data: testImage(name, height, width) });
const [structure, appearance] = [image('run.a', 40, 48), image('run.b', 42, 40)];
const options = (change: Partial<SpliceOptions> = {}): SpliceOptions =>
  ({ ...defaultOptions, ...published, vitSize: 32, ...change });
const fresh = async (): Promise<Engine> => createEngine(await testDevice(), { poison: true });

/** Bytes in use on JavaScript's heap, and outside it on its behalf, once what is unreachable is gone. */
function heapAfterCollection(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Losses of some steps and the final picture. */
async function run(steps: number, change: Partial<SpliceOptions> = {}) {
  const engine = await fresh();
  const splice = await startSplice(engine, vit, structure, appearance, options(change));
  const losses = [];
  for (let i = 0; i < steps; i++) {
    await splice.step();
    losses.push(await splice.losses());
  }
  const picture = await splice.result();
  splice.destroy();
  engine.destroy();
  return { losses, picture };
}

for (const recipe of ['splice', 'splice-transfer'] as const) {
  test(`${recipe}: equal seeds give bit-identical runs, another seed another`, async () => {
    const [first, again, other] = [await run(4, { recipe }), await run(4, { recipe }), await run(4, { recipe, seed: 2 })];
    assert.equal(again.losses, first.losses);
    assert.equal([...again.picture.data], [...first.picture.data]);
    assert.not.equal(other.losses, first.losses);
    assert.ok(first.picture.data.every((v) => v >= 0 && v <= 1));
    assert.is(first.picture.data.length, 3 * 40 * 48);
  });
}

test('the warm start learns to hand the photos through, before the method begins', async () => {
  const engine = await fresh();
  const splice = await startSplice(engine, vit, structure, appearance, options({ warmStart: 60 }));
  const totals = [];
  for (let i = 0; i < 60; i++) {
    assert.equal(await splice.step(), { phase: 'warm-start', step: i });
    totals.push((await splice.losses()).total!);
  }
  assert.ok(totals.at(-1)! < 0.7 * totals[0]!, `reconstruction went from ${totals[0]} to ${totals.at(-1)}`);
  assert.equal(await splice.step(), { phase: 'train', step: 0 });
  assert.is(splice.stepsDone, 1);
});

test("the paper's recipe: the first step is the appearance loss alone, of crops and of the whole image", async () => {
  const { losses } = await run(2, { lambdaAppearance: 10 });
  const [first, second] = losses;
  assert.ok(first!.total! > 10 * first!.appearance!, 'the whole image adds to it');
  const weighted = second!.structure! + 10 * second!.appearance! + second!.identity!;
  assert.ok(Math.abs(second!.total! - weighted) < 1e-5 * weighted);
});

test('training lowers the loss', async () => {
  const { losses } = await run(40, { recipe: 'splice-transfer' });
  const mean = (from: number): number => losses.slice(from, from + 8).reduce((sum, l) => sum + l.total!, 0) / 8;
  assert.ok(mean(32) < 0.8 * mean(1), `total went from ${mean(1)} to ${mean(32)}`);
});

test('new crop sizes create no pipelines; memory after 200 steps is that after 20', async () => {
  const engine = await fresh();
  const splice = await startSplice(engine, vit, structure, appearance, options());
  for (let i = 0; i < 20; i++) await splice.step();
  await splice.sync();
  const [pipelines, held] = [engine.pipelines.size(), engine.buffers.heldBytes()];
  const heap = heapAfterCollection();
  for (let i = 20; i < 200; i++) await splice.step();
  await splice.sync();
  assert.is(engine.pipelines.size(), pipelines);
  assert.is(engine.buffers.heldBytes(), held);
  const grown = (heapAfterCollection() - heap) / 2 ** 20;
  assert.ok(grown < 8, `the heap grew by ${grown.toFixed(1)} MiB`);
});

test('new crop sizes create no pipelines and take no memory with everything that steadies either', async () => {
  const engine = await fresh();
  const steadied = {
    ema: 0.9, lrDecay: 0.5, clip: 1, lambdaPatches: 2, patchColours: 2, lambdaColours: 4, keyLayers: [0, 1], lambdaTexture: 3,
  };
  const splice = await startSplice(engine, vit, structure, appearance, options(steadied));
  for (let i = 0; i < 15; i++) await splice.step();
  await splice.sync();
  const before = [engine.pipelines.size(), engine.buffers.heldBytes()];
  for (let i = 15; i < 60; i++) await splice.step();
  await splice.sync();
  assert.equal([engine.pipelines.size(), engine.buffers.heldBytes()], before);
  assert.ok(splice.memory.total >= engine.buffers.heldBytes(), 'the estimate counts what they need');
  splice.destroy();
  engine.destroy();
});

test('one ViT pass per image: four forward and two backward a step, two images at a time; the last block for the CLS row', () => {
  const generator = recipes.splice.generator();
  const setting: Setting = { vit, generator, layout: layoutOf(generator), structure, appearance, options: options() };
  const kind = { kind: 'crops', structure: 40, appearance: 40, whole: false } as const;
  const plan = schedule(Object.values(stepGraph(new Graph(), kind, setting)));
  const images = (op: string): number[] => plan.launches.filter((n) => n.op.name === op).map((n) => n.outputs[0]!.shape[0]!);
  const inner = vit.config.depth - 1;
  assert.equal(images('patchify'), [2, 2], 'four images go in');
  assert.equal(images('attention'), Array(2 * inner).fill(2));
  assert.equal(images('attentionCls'), [2, 2]);
  assert.equal(images('attentionBackward'), Array(inner).fill(2), 'only generated images need gradients');
});

test('a panorama, however long, gives the ViT a row of patches', () => {
  for (const [height, width, vitSize, patch] of [[40, 2000, 64, 8], [2000, 40, 224, 16], [33, 3300, 32, 16]] as const) {
    const g = new Graph();
    const config = { ...formulaVit('dino8', 'panorama').config, patch };
    const { shape } = recipes.splice.toVit(g.input('x', [1, 3, height, width]), config, { vitSize, antialias: true });
    assert.is(Math.min(shape[2]!, shape[3]!), patch);
    assert.is(Math.max(shape[2]!, shape[3]!), Math.floor((480 * vitSize) / 224));
  }
});

test.run();
