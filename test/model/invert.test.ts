/** Feature inversion on a small ViT: losses fall, the same seed gives the same picture, another seed another. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createEngine } from '../../engine/index.js';
import type { Image } from '../../model/image.js';
import { random } from '../../model/random.js';
import { startInversion } from '../../model/study/invert.js';
import type { InversionOptions } from '../../model/study/options.js';
import { patchFeatures } from '../../model/study/patches.js';
import { uploadVit } from '../../model/vit/vit.js';
import { assertClose } from '../helpers/check.js';
import { testDevice } from '../helpers/device.js';
import { testImage } from '../helpers/golden.js';
import { formulaVit } from '../helpers/models.js';

const vit = formulaVit('probe8', 'invert', 0.5);
const image: Image = { width: 50, height: 41, data: testImage('invert.a', 41, 50) };
const defaults: InversionOptions = {
  facet: 'keys', layer: 3, painter: 'pixels', steps: 10, lr: 0.1, lrDecay: 0, noise: false, tv: 0, seed: 1, vitSize: 40,
};

async function invert(
  change: Partial<InversionOptions>, restartWith?: number,
): Promise<{ losses: number[]; result: Image; target: Image }> {
  const engine = createEngine(await testDevice(), { poison: true });
  const options = { ...defaults, ...change };
  const inversion = await startInversion(engine, vit, image, options);
  const losses: number[] = [];
  const run = async (): Promise<void> => {
    while (inversion.stepsDone() < options.steps) {
      inversion.step();
      losses.push(await inversion.loss());
    }
  };
  await run();
  if (restartWith !== undefined) {
    inversion.restart(restartWith);
    losses.length = 0;
    await run();
  }
  const result = await inversion.result();
  const { target } = inversion;
  inversion.destroy();
  engine.destroy();
  return { losses, result, target };
}

const inverted = [
  ['keys', 3], ['queries', 1], ['values', 2], ['tokens', 0], ['self-similarity', 3], ['cls', 3], ['cls', 1],
] as const;
for (const [facet, layer] of inverted) {
  test(`pixels come nearer to ${facet} of layer ${layer}`, async () => {
    const { losses, result, target } = await invert({ facet, layer });
    assert.ok(losses.at(-1)! < 0.8 * losses[0]!, `${losses[0]} to ${losses.at(-1)}`);
    assert.equal([result.width, result.height, target.width], [48, 40, 48], 'whole patches');
    assert.ok(result.data.every((v) => v > 0 && v < 1));
  });
}

for (const painter of ['skip', 'unet'] as const) {
  test(`the ${painter} generator lowers the loss; equal seeds give bit-identical pictures, others another`, async () => {
    const first = await invert({ painter, steps: 5, lr: 0.01 });
    const again = await invert({ painter, steps: 5, lr: 0.01, seed: 5 }, 1);
    const other = await invert({ painter, steps: 5, lr: 0.01, seed: 5 });
    assert.ok(first.losses.at(-1)! < first.losses[0]!, `${first.losses}`);
    assert.equal(again.losses, first.losses);
    assert.equal([...again.result.data], [...first.result.data]);
    assert.not.equal([...other.result.data], [...first.result.data]);
  });
}

test('the first loss is the mean squared difference of the very features that are named', async () => {
  const engine = createEngine(await testDevice(), { poison: true });
  for (const [facet, layer] of [['cls', 3], ['cls', 1], ['values', 2]] as const) {
    const { losses, target } = await invert({ facet, layer, steps: 1 });
    const pixels = random(1, 'inversion', 'pixels');
    const noise = Float32Array.from({ length: 3 * 48 * 40 }, () => 1 / (1 + Math.exp(-pixels.normal())));
    const start: Image = { width: 48, height: 40, data: noise };
    uploadVit(engine, vit);
    const features = async (picture: Image): Promise<Float32Array> => {
      const of = facet === 'cls' ? 'tokens' : facet;
      const { data, C } = (await patchFeatures(engine, vit, picture, 40, [layer], [of]))(layer, of);
      return facet === 'cls' ? data.subarray(0, C) : data;
    };
    const [a, b] = [await features(start), await features(target)];
    assertClose(`${facet} ${layer}`, losses, [a.reduce((sum, v, i) => sum + (v - b[i]!) ** 2, 0) / a.length], 1e-4);
  }
  engine.destroy();
});

test('added noise changes every step, not the result of what was learned without it', async () => {
  const [still, noisy] = [await invert({ painter: 'skip', steps: 2 }), await invert({ painter: 'skip', steps: 2, noise: true })];
  assert.is.not(noisy.losses[0], still.losses[0]);
  assert.ok(noisy.losses.every(Number.isFinite));
});

test('a falling rate makes shorter steps over the last share', async () => {
  const [constant, falling] = [await invert({ steps: 4 }), await invert({ steps: 4, lrDecay: 0.5 })];
  assert.equal(falling.losses, constant.losses, 'three steps of the full rate');
  const logit = (v: number): number => Math.log(v / (1 - v));
  const [three, four] = [await invert({ steps: 3 }), constant].map(({ result }) => [...result.data].map(logit));
  const halves = [...falling.result.data].filter((v, i) => Math.abs(logit(v) - (three![i]! + four![i]!) / 2) < 1e-3);
  assert.ok(halves.length > 0.99 * falling.result.data.length, `${halves.length}: the fourth step is half as long`);
});

test('total variation makes a smoother picture', async () => {
  const roughness = ({ result: { data, width } }: { result: Image }): number =>
    data.reduce((sum, v, i) => sum + (i % width ? (v - data[i - 1]!) ** 2 : 0), 0);
  assert.ok(roughness(await invert({ tv: 50 })) < 0.7 * roughness(await invert({ tv: 0 })));
});

test('the published network rejects a small picture with the needed size', async () => {
  const error = await invert({ painter: 'skip6' }).then(() => undefined, (reason: Error) => reason);
  assert.match(error!.message, /the skip network needs one side above 64 pixels/);
});

test.run();
