import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { gradients, Graph, mul, schedule, sizeOf, sum, type Tensor } from '../../engine/index.js';
import { batchnorm } from '../../engine/ops/batchnorm.js';
import { leakyRelu } from '../../engine/ops/unary.js';
import { assertClose } from '../helpers/check.js';
import { testedTunings, testEngine } from '../helpers/device.js';
import { channels } from '../helpers/plain.js';
import { draws, random } from '../helpers/random.js';

const SLOPE = 0.2;

type Name = 'x' | 'w' | 'b' | 'seed';
type Four = readonly [number, number, number, number];

/** All gradients of sum(leakyRelu(batchnorm(x, w, b)) * seed) in double precision: x counts through mean and variance, too. */
function plainGradients({ x, w, b, seed }: Record<Name, Float32Array>, shape: Four): Record<string, Float64Array> {
  const [dx, dw, db] = [x, w, b].map(({ length }) => new Float64Array(length)) as [Float64Array, Float64Array, Float64Array];
  for (const { c, indices, mean, rstd } of channels(x, shape)) {
    let [dMean, dVariance] = [0, 0];
    const dxhat = indices.map((i) => {
      const xhat = (x[i]! - mean) * rstd;
      const dz = seed[i]! * (xhat * w[c]! + b[c]! > 0 ? 1 : SLOPE);
      dw[c]! += dz * xhat;
      db[c]! += dz;
      dMean -= dz * w[c]! * rstd;
      dVariance -= (dz * w[c]! * (x[i]! - mean) * rstd ** 3) / 2;
      return dz * w[c]!;
    });
    const N = indices.length;
    indices.forEach((i, n) => (dx[i] = dxhat[n]! * rstd + (dVariance * 2 * (x[i]! - mean)) / N + dMean / N));
  }
  return { dx, dw, db };
}

/** Values whose batch norm stays away from the kink of leaky ReLU. */
function drawValues(shape: Four): Record<Name, Float32Array> {
  const next = random(7);
  const [size, C] = [sizeOf(shape), shape[1]];
  return {
    x: draws(size, next).map((v, i) => 5 + (i % 2 ? 1 : -1) * (0.6 + 0.3 * v)),
    w: draws(C, next).map((v) => v + 2),
    b: draws(C, next).map((v) => 0.1 * v),
    seed: draws(size, next),
  };
}

for (const [shape, size] of [[[2, 3, 9, 7], 'small'], [[2, 2, 181, 183], 'large']] as const) {
  test(`batchnormBackward of ${size} channels, then leaky ReLU`, async () => {
    const values = drawValues(shape);
    const expected = plainGradients(values, shape);
    for (const tuning of await testedTunings()) {
      const engine = await testEngine(tuning);
      const g = engine.graph();
      const [x, w, b, seed] = [g.input('x', shape), g.input('w', [shape[1]]), g.input('b', [shape[1]]), g.input('seed', shape)];
      const [dx, dw, db] = gradients(sum(mul(leakyRelu(batchnorm(x, w, b), SLOPE), seed)), [x, w, b]);
      const program = await engine.compile({ dx: dx!, dw: dw!, db: db! });
      for (const [name, data] of Object.entries(values)) program.write(name, data);
      program.run();
      for (const [name, right] of Object.entries(expected)) {
        assertClose(`${engine.tuning.name}: ${name}`, await program.read(name), right, 4e-5);
      }
      program.destroy();
    }
  });
}

/** Batch norm, leaky ReLU and the gradients of a loss. */
function training(g: Graph, size: number): Record<string, Tensor> {
  const [x, w, b] = [g.input(`x${size}`, [1, 4, size, size]), g.input('w', [4]), g.input('b', [4])];
  const y = leakyRelu(batchnorm(x, w, b), SLOPE);
  const [dx, dw, db] = gradients(sum(mul(y, y)), [x, w, b]);
  return { y, dx: dx!, dw: dw!, db: db! };
}

test('leaky ReLU costs no launch, a small channel one each way, a large one two', () => {
  const g = new Graph();
  const launchesOf = (size: number): string[] =>
    schedule(Object.values(training(g, size))).launches.map((n) => n.op.name).filter((n) => /batchnorm|leaky/.test(n));
  assert.equal(launchesOf(256).sort(), ['batchnorm', 'batchnormSmallBackward']);
  assert.equal(launchesOf(257).sort(), ['batchnorm', 'batchnormBackward', 'batchnormBackwardPartial', 'batchnormPartial']);
});

test.run();
