import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ShapeError } from '../../engine/index.js';
import { blur } from '../../engine/ops/blur.js';
import { assertClose, checkOp } from '../helpers/check.js';
import { testEngine } from '../helpers/device.js';
import { golden, testImage } from '../helpers/golden.js';

function reference(x: Float64Array, H: number, W: number, sigma: number): number[] {
  const weight = (d: number): number => Math.exp(-(d ** 2) / (2 * sigma ** 2));
  const total = 1 + 2 * weight(1);
  const mirror = (i: number, n: number): number => (i < 0 ? -i : i >= n ? 2 * (n - 1) - i : i);
  return Array.from(x, (_, index) => {
    const [j, i, first] = [index % W, Math.floor(index / W) % H, Math.floor(index / (W * H)) * H];
    let sum = 0;
    for (const a of [-1, 0, 1]) {
      for (const b of [-1, 0, 1]) sum += weight(a) * weight(b) * x[(first + mirror(i + a, H)) * W + mirror(j + b, W)]!;
    }
    return sum / total ** 2;
  });
}

for (const shape of [[1, 1, 2, 2], [2, 3, 5, 7], [1, 3, 17, 31]]) {
  for (const [on, sigma] of [[1, 0.1], [1, 0.8], [1, 2], [0, 2]]) {
    test(`blur ${shape}, ${on ? `sigma ${sigma}` : 'off'}`, () => checkOp({
      inputs: { x: shape, draw: [2] },
      values: { draw: (_, i) => [on, sigma][i]! },
      build: ({ x, draw }) => blur(x!, draw!),
      reference: ({ x }) => (on ? reference(x!, shape[2]!, shape[3]!, sigma!) : x!),
      gradients: [],
    }));
  }
}

test('golden blur', async () => {
  const { get, meta, tolerance } = golden('ops');
  const engine = await testEngine();
  const g = engine.graph();
  const program = await engine.compile({ y: blur(g.input('x', [1, 3, 37, 53]), g.input('draw', [2])) });
  program.write('x', testImage(`${meta['tag']}.photo`, 37, 53));
  program.write('draw', [1, 1.4]);
  program.run();
  assertClose('blur', await program.read('y'), get('blur').data, tolerance('blur'));
});

test('an image too small to be mirrored is refused', async () => {
  const g = (await testEngine()).graph();
  assert.throws(() => blur(g.input('x', [1, 3, 1, 9]), g.input('draw', [2])), (e: Error) => e instanceof ShapeError && /\[1, 3, 1, 9\]/.test(e.message));
});

test.run();
