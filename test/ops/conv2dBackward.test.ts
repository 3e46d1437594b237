import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { add, Graph, gradients, mul, sizeOf, sum, type Program, type Tensor } from '../../engine/index.js';
import { conv2d } from '../../engine/ops/conv2d.js';
import { assertClose } from '../helpers/check.js';
import { testedTunings, testEngine } from '../helpers/device.js';
import { eachProduct, type Convolution } from '../helpers/plain.js';
import { draws, random } from '../helpers/random.js';

type Arrays<Name extends string> = Record<Name, Float32Array>;

/** All gradients, by the products of the forward loops: each hands dy to both factors. */
function plainGradients({ x, w, dy }: Arrays<'x' | 'w' | 'dy'>, sizes: Convolution): Record<'dx' | 'dw' | 'db', Float64Array> {
  const [dx, dw, db] = [new Float64Array(x.length), new Float64Array(w.length), new Float64Array(sizes.O)];
  eachProduct(sizes, (yi, xi, wi) => {
    dx[xi]! += dy[yi]! * w[wi]!;
    dw[wi]! += dy[yi]! * x[xi]!;
  });
  const plane = dy.length / (sizes.B * sizes.O);
  dy.forEach((d, i) => (db[Math.floor(i / plane) % sizes.O]! += d));
  return { dx, dw, db };
}

/** Writes random values to `inputs` and returns them by name. */
function writeRandom<Name extends string>(program: Program, inputs: Record<Name, Tensor>): Arrays<Name> {
  const next = random(5);
  return Object.fromEntries(Object.entries<Tensor>(inputs).map(([name, t]) => {
    const values = draws(sizeOf(t.shape), next);
    program.write(t, values);
    return [name, values];
  })) as Arrays<Name>;
}

// Large enough for several shares of the pixels, and for more than one tile of channels and weights.
const cases: Convolution[] = [
  { B: 2, C: 5, H: 21, W: 34, O: 20, K: 3, stride: 1, padding: 'reflect' },
  { B: 1, C: 3, H: 61, W: 47, O: 6, K: 3, stride: 2, padding: 'zeros' },
  { B: 1, C: 4, H: 130, W: 133, O: 3, K: 1, stride: 1, padding: 'zeros' },
];
for (const sizes of cases) {
  test(`conv2dBackward ${JSON.stringify(sizes)}`, async () => {
    const { B, C, H, W, O, K } = sizes;
    for (const tuning of await testedTunings()) {
      const engine = await testEngine(tuning);
      const g = engine.graph();
      const [x, w, b] = [g.input('x', [B, C, H, W]), g.input('w', [O, C, K, K]), g.input('b', [O])];
      const y = conv2d(x, w, b, sizes);
      const dy = g.input('dy', y.shape);
      const [dx, dw, db] = gradients(y, [x, w, b], dy);
      const program = await engine.compile({ dx: dx!, dw: dw!, db: db! });
      const expected = plainGradients(writeRandom(program, { x, w, dy }), sizes);
      program.run();
      for (const [name, right] of Object.entries(expected)) {
        assertClose(`${engine.tuning.name}: ${name}`, await program.read(name), right, 2e-5);
      }
      program.destroy();
    }
  });
}

test('the gradients of an input that two convolutions read are added in the launch of one of them', async () => {
  const [B, C, H, W, O] = [2, 5, 9, 14, 6];
  for (const tuning of await testedTunings()) {
    const engine = await testEngine(tuning);
    const g = engine.graph();
    const [x, wide, narrow] = [g.input('x', [B, C, H, W]), g.input('wide', [O, C, 3, 3]), g.input('narrow', [O, C, 1, 1])];
    const [y, z] = [conv2d(x, wide, undefined, { stride: 2 }), conv2d(x, narrow)];
    const [dy, dz] = [g.input('dy', y.shape), g.input('dz', z.shape)];
    const [dx] = gradients(add(sum(mul(y, dy)), sum(mul(z, dz))), [x]);
    const program = await engine.compile({ dx: dx! });
    assert.is(program.launches.filter(({ node }) => node.op.name === 'add').length, 0, program.toString());
    const v = writeRandom(program, { x, wide, narrow, dy, dz });
    program.run();
    const sizes = { B, C, H, W, O, padding: 'zeros' } as const;
    const ofWide = plainGradients({ x: v.x, w: v.wide, dy: v.dy }, { ...sizes, K: 3, stride: 2 }).dx;
    const ofNarrow = plainGradients({ x: v.x, w: v.narrow, dy: v.dz }, { ...sizes, K: 1, stride: 1 }).dx;
    assertClose(`${engine.tuning.name}: dx`, await program.read('dx'), ofWide.map((d, i) => d + ofNarrow[i]!), 2e-5);
    program.destroy();
  }
});

test('conv2dBackward builds only the gradients that are asked for', () => {
  const g = new Graph();
  const [x, w, b] = [g.input('x', [1, 2, 4, 4]), g.input('w', [3, 2, 3, 3]), g.input('b', [3])];
  const y = conv2d(x, w, b);
  gradients(sum(y), [x]);
  assert.match(g.toString(), /conv2dBackwardInput/);
  assert.not.match(g.toString(), /conv2dBackward(Weight|Bias)/);
  gradients(sum(y), [w]);
  assert.match(g.toString(), /conv2dBackwardWeight/);
  assert.not.match(g.toString(), /conv2dBackwardBias/);
});

test.run();
