/** Training one generator on many pairs: gradients of a batch, the moving average, the warm start, and going on. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createEngine, type Engine } from '../../engine/index.js';
import { applyGenerator, measureResults } from '../../model/anyPair/apply.js';
import { clsReader } from '../../model/anyPair/condition.js';
import { defaultAnyPair, defaultSizes } from '../../model/anyPair/options.js';
import { startAnyPair, type AnyPairOptions, type Pair } from '../../model/anyPair/training.js';
import type { Image } from '../../model/image.js';
import type { Random } from '../../model/random.js';
import { assertClose } from '../helpers/check.js';
import { testDevice } from '../helpers/device.js';
import { fill, testImage } from '../helpers/golden.js';
import { formulaVit } from '../helpers/models.js';

const SIDE = 36;
const vit = formulaVit('probe8', 'general', 0.5);
const { depth: layers, dim } = vit.config;
const square = (name: string): Image => ({ width: SIDE, height: SIDE, data: testImage(name, SIDE, SIDE) });
const pair = (name: string): Pair =>
  ({ structure: square(`${name}.a`), appearance: square(`${name}.b`), condition: fill(`${name}.condition`, [layers, dim], 1.7) });
const [P, Q] = [pair('P'), pair('Q')];
const options = (change: Partial<AnyPairOptions> = {}): AnyPairOptions => ({
  ...defaultAnyPair, size: SIDE, vitSize: 16, batch: 1, warmStart: 0,
  sizes: { ...defaultSizes, layers, dim, channels: [4, 4, 6, 6, 8], width: 12, heads: 2, headSize: 4 }, ...change,
});
const fresh = async (): Promise<Engine> => createEngine(await testDevice(), { poison: true });
const either = async (next: Random): Promise<Pair> => (next.chance(0.5) ? P : Q);

/** The mean gradient of the uncropped pairs of step 0: what `cycle` draws, over and over; the weights stay as they are. */
async function uncroppedGradient(...cycle: Pair[]): Promise<Float32Array> {
  const engine = await fresh();
  let calls = 0;
  const run = await startAnyPair(engine, vit, options({ batch: cycle.length, lr: 1e-12 }),
    async () => cycle[calls++ % cycle.length]!);
  await run.step();
  const gradient = await engine.readParameter('generator.gradient');
  run.destroy();
  engine.destroy();
  return gradient.map((v) => (Number.isFinite(v) ? v : 0)); // gaps between parameters hold anything
}

test("a batch's gradient is the mean of its pairs'", async () => {
  const [p, q, both] = [await uncroppedGradient(P), await uncroppedGradient(Q), await uncroppedGradient(P, Q)];
  assertClose('mean', both, p.map((v, i) => (v + q[i]!) / 2), 2e-4);
  assert.ok(p.some((v, i) => Math.abs(v - q[i]!) > 1e-3), 'the two differ');
});

test('the moving average follows the weights, closely at first', async () => {
  const engine = await fresh();
  const run = await startAnyPair(engine, vit, options({ warmStart: 4, ema: 0.25 }), either);
  let right = (await run.state()).arrays.get('weights')!;
  for (let t = 1; t <= 4; t++) {
    await run.step();
    const { arrays } = await run.state();
    const [weights, average] = [arrays.get('weights')!, arrays.get('average')!];
    const keep = Math.min(0.25, t / (9 + t));
    right = right.map((a, i) => keep * a + (1 - keep) * weights[i]!);
    const used = [...right.keys()].filter((i) => Number.isFinite(right[i]!));
    assertClose(`step ${t}`, Float32Array.from(used, (i) => average[i]!), used.map((i) => right[i]!), 1e-5);
  }
  run.destroy();
  engine.destroy();
});

for (const recipe of ['splice', 'splice-transfer'] as const) {
  test(`${recipe}: a resumed run continues bit-identically`, async () => {
    const settings = options({ recipe, warmStart: 2, batch: 2 });
    const [one, two] = [await fresh(), await fresh()];
    const first = await startAnyPair(one, vit, settings, either);
    for (let i = 0; i < 3; i++) await first.step();
    const second = await startAnyPair(two, vit, settings, either, await first.state());
    for (const run of [first, second]) assert.equal(await run.step(), { phase: 'train', step: 1 });
    assert.equal(await second.losses(), await first.losses());
    const [a, b] = [await first.average(), await second.average()];
    for (const [name, { data }] of a) assert.equal([...b.get(name)!.data], [...data], name);
    for (const run of [first, second]) run.destroy();
    for (const engine of [one, two]) engine.destroy();
  });
}

test('after the warm start each condition restores its own colouring of a picture', async () => {
  const engine = await fresh();
  const data = P.appearance.data.map((_, i, all) => all[(i + SIDE * SIDE) % (3 * SIDE * SIDE)]!);
  const turned: Pair = { ...Q, appearance: { ...P.appearance, data } };
  const run = await startAnyPair(engine, vit, options({ warmStart: 120, ema: 0.9, lr: 0.01 }),
    async (next) => (next.chance(0.5) ? P : turned));
  for (let i = 0; i < 120; i++) await run.step();
  const applied = applyGenerator(engine, options().sizes, await run.average());
  const distance = (a: Image, b: Image): number => a.data.reduce((sum, v, i) => sum + (v - b.data[i]!) ** 2, 0) / a.data.length;
  const n = SIDE * SIDE;
  const mean = P.appearance.data.map((_, i, all) => (all[i % n]! + all[n + (i % n)]! + all[2 * n + (i % n)]!) / 3);
  const grey: Image = { ...P.appearance, data: mean };
  for (const [own, other] of [[P, turned], [turned, P]] as const) {
    const picture = await applied.apply(grey, own.condition);
    const [near, far] = [distance(picture, own.appearance), distance(picture, other.appearance)];
    // A generator that did not listen would make one picture, which cannot be nearer to both.
    assert.ok(near < 0.85 * far, `its own at ${near}, the other at ${far}`);
  }
  applied.destroy();
  run.destroy();
  engine.destroy();
});

test("the CLS tokens read end with the last layer's, as the losses see it; a photo has no distance to itself", async () => {
  const engine = await fresh();
  const reader = await clsReader(engine, vit, SIDE, options());
  const measure = await measureResults(engine, vit, SIDE, options());
  const tokens = await reader.read(P.structure);
  const { structure, appearance, cls } = await measure.of(P.structure, P.structure, P.appearance);
  assert.is(tokens.length, layers * dim);
  assertClose('last layer', tokens.slice(-dim), [...cls], 1e-5);
  assert.ok(structure < 1e-10);
  const other = await reader.read(P.appearance);
  const expected = other.slice(-dim).reduce((sum, v, i) => sum + (v - cls[i]!) ** 2, 0) / dim;
  assertClose('appearance loss', [appearance], [expected], 1e-4);
  for (const it of [reader, measure]) it.destroy();
  engine.destroy();
});

test.run();
