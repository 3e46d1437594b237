import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { gradients, mul, schedule, sum, type Graph, type Tensor } from '../../engine/index.js';
import { batchnorm } from '../../engine/ops/batchnorm.js';
import { leakyRelu } from '../../engine/ops/unary.js';
import { assertClose } from '../helpers/check.js';
import { testedTunings, testEngine } from '../helpers/device.js';
import { random } from '../helpers/random.js';

const EPS = 1e-5;
const SLOPE = 0.2;

/** All gradients of sum(leakyRelu(batchnorm(x, w, b)) * seed), by the chain rule in double precision: x through mean and variance, too. */
function plainGradients({ x, w, b, seed }: Record<'x' | 'w' | 'b' | 'seed', Float32Array>, [B, C, H, W]: readonly [number, number, number, number]): Record<string, Float64Array> {
  const [HW, N] = [H * W, B * H * W];
  const [dx, dw, db] = [new Float64Array(x.length), new Float64Array(C), new Float64Array(C)];
  for (let c = 0; c < C; c++) {
    const places = Array.from({ length: N }, (_, n) => (Math.floor(n / HW) * C + c) * HW + (n % HW));
    const mean = places.reduce((s, i) => s + x[i]!, 0) / N;
    const variance = places.reduce((s, i) => s + (x[i]! - mean) ** 2, 0) / N;
    const rstd = 1 / Math.sqrt(variance + EPS);
    let [dMean, dVariance] = [0, 0];
    const dxhat = places.map((i) => {
      const xhat = (x[i]! - mean) * rstd;
      const dz = seed[i]! * (xhat * w[c]! + b[c]! > 0 ? 1 : SLOPE);
      dw[c]! += dz * xhat;
      db[c]! += dz;
      dMean -= dz * w[c]! * rstd;
      dVariance -= (dz * w[c]! * (x[i]! - mean) * rstd ** 3) / 2;
      return dz * w[c]!;
    });
    places.forEach((i, n) => (dx[i] = dxhat[n]! * rstd + (dVariance * 2 * (x[i]! - mean)) / N + dMean / N));
  }
  return { dx, dw, db };
}

for (const [shape, size] of [[[2, 3, 9, 7], 'small'], [[2, 2, 181, 183], 'large']] as const) {
  test(`batchnormBackward of ${size} channels, leaky ReLU behind them`, async () => {
    const next = random(7);
    const filled = (length: number, of: (v: number, i: number) => number): Float32Array => Float32Array.from({ length }, (_, i) => of(2 * next() - 1, i));
    const values = {
      x: filled(shape.reduce((n, s) => n * s, 1), (v, i) => 5 + (i % 2 ? 1 : -1) * (0.6 + 0.3 * v)), // away from the kink once it is normalised
      w: filled(shape[1], (v) => v + 2),
      b: filled(shape[1], (v) => 0.1 * v),
      seed: filled(shape.reduce((n, s) => n * s, 1), (v) => v),
    };
    const expected = plainGradients(values, shape);
    for (const tuning of await testedTunings()) {
      const engine = await testEngine(tuning);
      const g = engine.graph();
      const [x, w, b, seed] = [g.input('x', shape), g.input('w', [shape[1]]), g.input('b', [shape[1]]), g.input('seed', shape)];
      const [dx, dw, db] = gradients(sum(mul(leakyRelu(batchnorm(x, w, b), SLOPE), seed)), [x, w, b]);
      const program = await engine.compile({ dx: dx!, dw: dw!, db: db! });
      for (const [name, data] of Object.entries(values)) program.write(name, data);
      program.run();
      for (const [name, right] of Object.entries(expected)) assertClose(`${engine.tuning.name}: ${name}`, await program.read(name), right, 4e-5);
      program.destroy();
    }
  });
}

/** Batch norm, leaky ReLU and a loss on a graph of its own. */
function training(g: Graph, size: number): Record<string, Tensor> {
  const [x, w, b] = [g.input(`x${size}`, [1, 4, size, size]), g.input('w', [4]), g.input('b', [4])];
  const y = leakyRelu(batchnorm(x, w, b), SLOPE);
  const [dx, dw, db] = gradients(sum(mul(y, y)), [x, w, b]);
  return { y, dx: dx!, dw: dw!, db: db! };
}

test('leaky ReLU costs no launch, a small channel one each way, a large one two', async () => {
  const g = (await testEngine()).graph();
  const launchesOf = (size: number) => schedule(Object.values(training(g, size))).launches.map((n) => n.op.name).filter((n) => /batchnorm|leaky/.test(n));
  assert.equal(launchesOf(256).sort(), ['batchnorm', 'batchnormSmallBackward']);
  assert.equal(launchesOf(257).sort(), ['batchnorm', 'batchnormBackward', 'batchnormBackwardPartial', 'batchnormPartial']);
});

test.run();
