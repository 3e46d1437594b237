/** The generator for all pairs against PyTorch: output and every gradient, in each way of making tokens; and that it starts as the plain UNet. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { gelu, gradients, mul, sum, type Engine, type Tensor } from '../../engine/index.js';
import { CONDITION, conditionalUnet, defaultSizes, type ConditionalSizes } from '../../model/generators/conditional.js';
import { bindParameters, flatten, kaimingUniform, layoutOf, type Generator } from '../../model/generators/parameters.js';
import { unet } from '../../model/generators/unet.js';
import { random } from '../../model/random.js';
import { assertClose } from '../helpers/check.js';
import { testEngine } from '../helpers/device.js';
import { fill, golden, testImage } from '../helpers/golden.js';
import { formulaGenerator } from '../helpers/models.js';

/** Where PyTorch's own float32 is further from exact than this, the exact value is 0. */
const ZERO = 0.01;

function sizesOf(name: string): ConditionalSizes {
  const { layers, dim, mode, channels, width, heads, head_size: headSize, count: expanded, scales } = golden(name).meta['config'];
  return { layers, dim, tokens: mode, channels, width, heads, headSize, expanded, scales };
}

for (const name of ['conditional_layers_49x63', 'conditional_expanded_40x37', 'conditional_single_33x40']) {
  test(name, async () => {
    const { meta, tensors, get, tolerance } = golden(name);
    const sizes = sizesOf(name);
    const [height, width] = meta['size'] as [number, number];
    const generator = conditionalUnet(sizes);
    const layout = layoutOf(generator);
    const engine = await testEngine();
    engine.writeParameter(name, [layout.size], flatten(layout, formulaGenerator(generator, meta['params'])));
    engine.writeParameter(CONDITION, [sizes.layers, sizes.dim], fill(`${meta['params']}.cls`, [sizes.layers, sizes.dim], 1.7));
    const g = engine.graph();
    const bound = bindParameters(g, name, layout);
    const image = g.input('image', [1, 3, height, width]);
    const cls = g.parameter(CONDITION, [sizes.layers, sizes.dim]);
    const output = generator.forward(bound.get, image, gelu);
    const loss = sum(mul(output, g.constant(fill(`${meta['tag']}.seed`, output.shape), output.shape)));
    const [dx, dcls, ...grads] = gradients(loss, [image, cls, ...bound.views]) as [Tensor, Tensor, ...Tensor[]];
    const program = await engine.compile({ output, dx, dcls, ...Object.fromEntries(grads.map((t, i) => [layout.slices[i]!.name, t])) });
    program.write('image', testImage(meta['image'], height, width));
    program.run();

    assertClose('output', await program.read('output'), get('output').data, tolerance('output'));
    assertClose('image gradient', await program.read('dx'), get('grad_image').data, tolerance('grad_image'));
    assertClose('condition gradient', await program.read('dcls'), get('grad_cls').data, tolerance('grad_cls'));
    for (const { name: parameter, shape } of layout.slices) {
      const key = tensors.has(`grad.${parameter}`) ? `grad.${parameter}` : `gradsum.${parameter}`;
      const found = await program.read(parameter);
      const per = found.length / shape[0]!;
      const summed = Float64Array.from({ length: shape[0]! }, (_, o) => found.slice(o * per, (o + 1) * per).reduce((a, b) => a + b, 0));
      const values = key.startsWith('gradsum') ? summed : Float64Array.from(found);
      if (tolerance(key) > ZERO) assert.ok(values.every((v) => Math.abs(v) < 1e-3), `${parameter} has a gradient of ${Math.max(...values.map(Math.abs))}, exactly it has none`);
      else assertClose(parameter, values, get(key).data, tolerance(key));
    }
    program.destroy();
  });
}

test('a single token reaches the picture from the finest scale alone: the batch norms behind all others take a constant out again', () => {
  const { tolerance } = golden('conditional_single_33x40');
  for (const place of [0, 1, 2, 3, 4]) assert.ok(tolerance(`grad.attend.${place}.value.weight`) > ZERO, `place ${place}`);
  assert.ok(tolerance('grad.attend.5.value.weight') < ZERO);
});

/** The picture of a generator for fixed weights and image. */
async function picture(engine: Engine, generator: Generator, image: Float32Array): Promise<Float32Array> {
  const layout = layoutOf(generator);
  engine.writeParameter(`start${layout.size}`, [layout.size], flatten(layout, kaimingUniform(generator, random(3, 'start'))));
  const g = engine.graph();
  const program = await engine.compile({ y: generator.forward(bindParameters(g, `start${layout.size}`, layout).get, g.input('image', [1, 3, 40, 48])) });
  program.write('image', image);
  program.run();
  const y = await program.read('y');
  program.destroy();
  return y;
}

test('it starts as the plain UNet, to the last bit', async () => {
  const sizes: ConditionalSizes = { ...defaultSizes, layers: 3, dim: 24, channels: [8, 8, 12, 12, 16], width: 16, heads: 2, headSize: 4 };
  const engine = await testEngine();
  engine.writeParameter(CONDITION, [3, 24], fill('start.cls', [3, 24]));
  const image = testImage('start', 40, 48);
  const [plain, conditional] = [await picture(engine, unet({ down: sizes.channels }), image), await picture(engine, conditionalUnet(sizes), image)];
  assert.equal([...conditional], [...plain]);
});

test.run();
