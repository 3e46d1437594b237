/** Both generators against PyTorch: output, image gradient, parameter gradients, at even and odd sizes. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { gradients, mul, sum, type Tensor } from '../../engine/index.js';
import { bindParameters, flatten, layoutOf, type Generator } from '../../model/generators/parameters.js';
import { skipNetwork } from '../../model/generators/skip.js';
import { unet } from '../../model/generators/unet.js';
import { assertClose } from '../helpers/check.js';
import { testedTunings, testEngine } from '../helpers/device.js';
import { fill, golden, testImage } from '../helpers/golden.js';
import { formulaGenerator } from '../helpers/models.js';

async function compare(name: string, generator: Generator, tuning: object): Promise<void> {
  const { meta, tensors, get, tolerance } = golden(name);
  const [height, width] = meta['size'] as [number, number];
  const engine = await testEngine(tuning);
  const layout = layoutOf(generator);
  engine.writeParameter(`golden.${name}`, [layout.size], flatten(layout, formulaGenerator(generator, meta['params'] as string)));
  const g = engine.graph();
  const bound = bindParameters(g, `golden.${name}`, layout);
  const image = g.input('image', [1, 3, height, width]);
  const output = generator.forward(bound.get, image);
  const loss = sum(mul(output, g.constant(fill(`${meta['tag']}.seed`, output.shape), output.shape)));
  const [dx, ...grads] = gradients(loss, [image, ...bound.views]) as [Tensor, ...Tensor[]];
  const program = await engine.compile({ output, dx, ...Object.fromEntries(grads.map((t, i) => [layout.slices[i]!.name, t])) });
  program.write('image', testImage(meta['image'] as string, height, width));
  program.run();

  assertClose(`${name} output`, await program.read('output'), get('output').data, tolerance('output'));
  assertClose(`${name} image gradient`, await program.read('dx'), get('grad_image').data, tolerance('grad_image'));
  for (const { name: parameter, shape } of layout.slices) {
    const found = await program.read(parameter);
    const whole = tensors.get(`grad.${parameter}`);
    if (whole) {
      assertClose(`${name} ${parameter}`, found, whole.data, tolerance(`grad.${parameter}`));
    } else {
      const per = found.length / shape[0]!;
      const sums = Float64Array.from({ length: shape[0]! }, (_, o) => found.slice(o * per, (o + 1) * per).reduce((a, b) => a + b, 0));
      assertClose(`${name} ${parameter} (summed)`, sums, get(`gradsum.${parameter}`).data, tolerance(`gradsum.${parameter}`));
    }
  }
  program.destroy();
}

/** What training leaves out must really have no gradient: PyTorch's for it is rounding noise beside the weight's. */
function leftOutIsNothing(name: string, { parameters }: Generator): void {
  const { tensors } = golden(name);
  const most = (key: string): number => Math.max(...[...(tensors.get(`grad.${key}`) ?? tensors.get(`gradsum.${key}`))!.data].map(Math.abs));
  for (const p of parameters.filter((q) => !q.trained)) {
    const weight = p.name.replace(/bias$/, 'weight');
    assert.ok(most(p.name) <= 1e-6 * Math.max(1, most(weight)), `${p.name} has a gradient of ${most(p.name)}`);
  }
}

for (const size of ['64x64', '49x63', '71x38']) {
  for (const [kind, generator] of [['skip', skipNetwork()], ['unet', unet()]] as const) {
    test(`${kind} ${size}`, async () => {
      leftOutIsNothing(`${kind}_${size}`, generator);
      for (const tuning of await testedTunings()) await compare(`${kind}_${size}`, generator, tuning);
    });
  }
}

test.run();
