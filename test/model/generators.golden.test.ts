/** Both generators against PyTorch: output, image gradient, parameter gradients, at even and odd sizes. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { gradients, mul, sizeOf, sum, type Program, type Tensor } from '../../engine/index.js';
import { bindParameters, flatten, layoutOf, leaky, type Generator, type Layout } from '../../model/generators/parameters.js';
import { skipNetwork } from '../../model/generators/skip.js';
import { unet } from '../../model/generators/unet.js';
import { assertClose } from '../helpers/check.js';
import { testEngine } from '../helpers/device.js';
import { fill, golden, testImage } from '../helpers/golden.js';
import { formulaGenerator } from '../helpers/models.js';

/** Signs that LeakyReLU number `i` of a golden run sees in exact arithmetic; see test/golden/make_patterns.py. */
function exactSigns(name: string, i: number, size: number): boolean[] {
  const words = golden('patterns').get(`${name}.${i}`).data;
  return Array.from({ length: size }, (_, at) => ((words[at >> 4]! >> (at & 15)) & 1) === 1);
}

/** LeakyReLU of slope 0.2 whose sides are given: the same values and gradients where the signs agree. */
function onSides(name: string): (x: Tensor) => Tensor {
  let i = 0;
  return (x) => {
    const slopes = Float32Array.from(exactSigns(name, i++, sizeOf(x.shape)), (above) => (above ? 1 : 0.2));
    return mul(x, x.graph.constant(slopes, x.shape));
  };
}

/** A generator's golden run: output, image gradient, parameter gradients, and what its activations see. */
async function run(
  name: string, generator: Generator, tuning: object, activate: (x: Tensor) => Tensor,
): Promise<{ program: Program; layout: Layout; seen: Tensor[] }> {
  const { meta } = golden(name);
  const [height, width] = meta['size'] as [number, number];
  const engine = await testEngine(tuning);
  const layout = layoutOf(generator);
  engine.writeParameter(`golden.${name}`, [layout.size], flatten(layout, formulaGenerator(generator, meta['params'] as string)));
  const g = engine.graph();
  const bound = bindParameters(g, `golden.${name}`, layout);
  const image = g.input('image', [1, 3, height, width]);
  const seen: Tensor[] = [];
  const output = generator.forward(bound.get, image, (x) => activate(seen[seen.push(x) - 1]!));
  const loss = sum(mul(output, g.constant(fill(`${meta['tag']}.seed`, output.shape), output.shape)));
  const [dx, ...grads] = gradients(loss, [image, ...bound.views]) as [Tensor, ...Tensor[]];
  const byName = Object.fromEntries([
    ...grads.map((t, i) => [layout.slices[i]!.name, t]), ...seen.map((t, i) => [`seen${i}`, t]),
  ]) as Record<string, Tensor>;
  const program = await engine.compile({ output, dx, ...byName });
  program.write('image', testImage(meta['image'] as string, height, width));
  program.run();
  return { program, layout, seen };
}

/** How many activations see another sign than in exact arithmetic. All of them must be next to the kink. */
async function countFlips(name: string, program: Program, seen: readonly Tensor[]): Promise<number> {
  let flips = 0;
  for (const i of seen.keys()) {
    const z = await program.read(`seen${i}`);
    exactSigns(name, i, z.length).forEach((above, at) => {
      if (above === z[at]! > 0) return;
      flips++;
      assert.ok(Math.abs(z[at]!) < 5e-4, `${name}: activation ${i} is ${z[at]} on the wrong side of 0`);
    });
  }
  assert.ok(flips <= 8, `${name}: ${flips} activations on the wrong side of 0`);
  return flips;
}

async function compareGradients(name: string, program: Program, layout: Layout): Promise<void> {
  const { tensors, get, tolerance } = golden(name);
  assertClose(`${name} image gradient`, await program.read('dx'), get('grad_image').data, tolerance('grad_image'));
  for (const { name: parameter, shape } of layout.slices) {
    const found = await program.read(parameter);
    const whole = tensors.get(`grad.${parameter}`);
    if (whole) {
      assertClose(`${name} ${parameter}`, found, whole.data, tolerance(`grad.${parameter}`));
    } else {
      const per = found.length / shape[0]!;
      const sums = Float64Array.from({ length: shape[0]! },
        (_, o) => found.slice(o * per, (o + 1) * per).reduce((a, b) => a + b, 0));
      assertClose(`${name} ${parameter} (summed)`, sums, get(`gradsum.${parameter}`).data, tolerance(`gradsum.${parameter}`));
    }
  }
}

/**
 * The output always; the gradients of the very run when all its activations are on the side they are on in exact arithmetic.
 * Where rounding put one on the other side of its kink, a per cent of the gradient goes with it: then the gradients of a run on
 * the exact sides, with everything else as it is.
 */
async function compare(name: string, generator: Generator, tuning: object): Promise<void> {
  const { get, tolerance } = golden(name);
  const plain = await run(name, generator, tuning, leaky);
  assertClose(`${name} output`, await plain.program.read('output'), get('output').data, tolerance('output'));
  const flips = await countFlips(name, plain.program, plain.seen);
  const { program, layout } = flips === 0 ? plain : await run(name, generator, tuning, onSides(name));
  await compareGradients(name, program, layout);
  for (const p of new Set([plain.program, program])) p.destroy();
}

/** Untrained parameters must have no gradient: PyTorch's is rounding noise compared with the weight's. */
function leftOutIsNothing(name: string, { parameters }: Generator): void {
  const { tensors } = golden(name);
  const most = (key: string): number =>
    Math.max(...[...(tensors.get(`grad.${key}`) ?? tensors.get(`gradsum.${key}`))!.data].map(Math.abs));
  for (const p of parameters.filter((q) => !q.trained)) {
    const weight = p.name.replace(/bias$/, 'weight');
    assert.ok(most(p.name) <= 1e-6 * Math.max(1, most(weight)), `${p.name} has a gradient of ${most(p.name)}`);
  }
}

for (const size of ['64x64', '49x63', '71x38']) {
  for (const [kind, generator] of [['skip', skipNetwork()], ['unet', unet()]] as const) {
    test(`${kind} ${size}`, async () => {
      leftOutIsNothing(`${kind}_${size}`, generator);
      // Only this device's variants: a GPU's for a whole generator take a CPU minutes to compile, and test/ops has all of them.
      await compare(`${kind}_${size}`, generator, {});
    });
  }
}

test.run();
