/** Pictures in strips: the untiled result within rounding, whatever the strips' height, odd sizes included. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createEngine, type Engine } from '../../engine/index.js';
import { channelMoments } from '../../model/generators/channelMoments.js';
import { bindParameters, flatten, layoutOf, type Generator } from '../../model/generators/parameters.js';
import { skipNetwork } from '../../model/generators/skip.js';
import { unet } from '../../model/generators/unet.js';
import type { Image } from '../../model/image.js';
import { paintInStrips, wholeBytes } from '../../model/generators/strips.js';
import { assertClose } from '../helpers/check.js';
import { testDevice } from '../helpers/device.js';
import { testImage } from '../helpers/golden.js';
import { formulaGenerator } from '../helpers/models.js';

const cases: readonly (readonly [name: string, generator: Generator, height: number, width: number])[] = [
  ['skip', skipNetwork({ down: [8, 12, 16, 16, 16] }), 97, 61],
  ['skip, wide windows and reflection', skipNetwork({ down: [8, 12, 16], windows: [7, 5, 3], padding: 'reflect' }), 64, 46],
  ['unet', unet({ down: [8, 12, 16, 16, 16] }), 97, 61],
];

for (const [name, generator, height, width] of cases) {
  test(`${name}, ${width} x ${height}: strips leave no seams`, async () => {
    const layout = layoutOf(generator);
    const start = async (): Promise<Engine> => {
      const made = createEngine(await testDevice(), { poison: true });
      made.writeParameter('weights', [layout.size], flatten(layout, formulaGenerator(generator, 'strips')));
      return made;
    };
    const [once, engine] = [await start(), await start()];
    const image: Image = { width, height, data: testImage('strips', height, width) };
    const g = once.graph();
    const { get } = bindParameters(g, 'weights', layout);
    const program = await once.compile({ y: generator.forward(get, g.parameter('photo', [1, 3, height, width])) });
    once.writeParameter('photo', [1, 3, height, width], image.data);
    program.run();
    const expected = await program.read('y');
    program.destroy();
    once.destroy();

    const before = engine.buffers.heldBytes();
    const shares: number[] = [];
    const budget = Math.floor(wholeBytes(generator, image).total / 4);
    const { data } = await paintInStrips(engine, generator, image, 'weights', budget, (share) => shares.push(share));
    assertClose(name, data, expected, 2e-5);
    assert.ok(engine.buffers.heldBytes() - before <= budget, 'no more than the budget');
    assert.is(shares.at(-1), 1);
    assert.ok(shares.every((share, i) => share >= (shares[i - 1] ?? 0)));
    engine.destroy();
  });
}

test('moments of parts are those of the whole, a large mean does not matter', () => {
  const values = Float32Array.from({ length: 2 * 60 }, (_, i) => (i < 60 ? 5000 + Math.sin(i) : i));
  const moments = channelMoments(2);
  for (const [from, to] of [[0, 7], [7, 8], [8, 60]] as const) {
    moments.add(Float32Array.of(...values.subarray(from, to), ...values.subarray(60 + from, 60 + to)));
  }
  const expected = [values.subarray(0, 60), values.subarray(60)].flatMap((channel) => {
    const mean = channel.reduce((sum, v) => sum + v, 0) / 60;
    return [mean, 1 / Math.sqrt([...channel].reduce((sum, v) => sum + (v - mean) ** 2, 0) / 60 + 1e-5)];
  });
  assertClose('statistics', moments.statistics(1e-5), expected, 1e-6);
});

test.run();
