/** Detail at full size against the PyTorch version, test/golden/oracle/detail.py. */
import { test } from 'uvu';
import { guidedGain } from '../../engine/index.js';
import { addDetail } from '../../model/detail/detail.js';
import { withTexture } from '../../model/detail/texture.js';
import type { Image } from '../../model/image.js';
import { resample } from '../../model/resample.js';
import { runOnce } from '../../model/runOnce.js';
import { assertClose } from '../helpers/check.js';
import { testEngine } from '../helpers/device.js';
import { fill, golden, testImage } from '../helpers/golden.js';

const { meta, get, tolerance } = golden('detail');
const { tag, runs } = meta as { tag: string; runs: Record<string, { band: number; radius: number; eps: number; keys: number }> };

const picture = (name: string): Image => {
  const [height, width] = meta[name] as [number, number];
  return { width, height, data: testImage(`${tag}.${name}`, height, width) };
};

function photo(name: string): Image {
  const image = picture(name);
  const detail = fill(`${tag}.${name}.detail`, [3, image.height, image.width]);
  return { ...image, data: image.data.map((v, i) => Math.min(1, Math.max(0, v + 0.2 * detail[i]!))) };
}

const [structure, result, appearance] = [photo('structure'), picture('result'), photo('appearance')];

for (const [name, options] of Object.entries(runs)) {
  const { band, radius, eps, keys } = options;
  const low = resample(result, Math.round(result.width / band), Math.round(result.height / band));
  const check = (what: string, data: Float32Array): void =>
    assertClose(what, data, get(`${name}.${what}`).data, tolerance(`${name}.${what}`));

  test(`gain, ${name}`, async () => {
    const engine = await testEngine();
    const g = engine.graph();
    const size = [1, 3, low.height, low.width];
    const gain = guidedGain(g.input('guide', size), g.input('x', size), radius, eps);
    const guide = resample(structure, low.width, low.height).data;
    check('gain', (await runOnce(engine, { gain }, [['guide', guide], ['x', low.data]])).gain);
  });

  test(`texture, ${name}`, async () => {
    const { width, height } = structure;
    const drawn = await withTexture(await testEngine(), low, appearance, [height, width], { keys }, () => {});
    check('texture', resample(drawn, width, height).data);
  });

  test(`picture, ${name}`, async () => {
    check('picture', (await addDetail(await testEngine(), { structure, result, appearance }, options)).data);
  });
}

test.run();
