import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { add, createEngine, gradients, mul, sum, type Tensor } from '../../engine/index.js';
import { conv2d, type Conv2dOptions } from '../../engine/ops/conv2d.js';
import { assertClose } from '../helpers/check.js';
import { testDevice, testedTunings, testEngine } from '../helpers/device.js';
import { random } from '../helpers/random.js';

interface Sizes {
  readonly B: number;
  readonly C: number;
  readonly H: number;
  readonly W: number;
  readonly O: number;
  readonly K: number;
}

/** All gradients by walking the products of the forward loop and handing dy to both factors. */
function plainGradients(x: Float32Array, w: Float32Array, dy: Float32Array, { B, C, H, W, O, K }: Sizes, stride: number, reflect: boolean): Record<string, Float64Array> {
  const pad = (K - 1) / 2;
  const source = (i: number, size: number): number => (i >= 0 && i < size ? i : !reflect ? -1 : i < 0 ? -i : 2 * (size - 1) - i);
  const [dx, dw, db] = [new Float64Array(x.length), new Float64Array(w.length), new Float64Array(O)];
  let at = 0;
  for (let b = 0; b < B; b++) for (let o = 0; o < O; o++) for (let i = 0; i < H; i += stride) for (let j = 0; j < W; j += stride) {
    const d = dy[at++]!;
    db[o]! += d;
    for (let ky = 0; ky < K; ky++) for (let kx = 0; kx < K; kx++) {
      const si = source(i + ky - pad, H), sj = source(j + kx - pad, W);
      if (si < 0 || sj < 0) continue;
      for (let c = 0; c < C; c++) {
        const xi = ((b * C + c) * H + si) * W + sj, wi = ((o * C + c) * K + ky) * K + kx;
        dx[xi]! += d * w[wi]!;
        dw[wi]! += d * x[xi]!;
      }
    }
  }
  return { dx, dw, db };
}

const inputsOf = (t: Tensor): { x: Tensor; w: Tensor; b: Tensor } => {
  const [x, w, b] = t.node.inputs as [Tensor, Tensor, Tensor];
  return { x, w, b };
};

// Large enough for several shares of the pixels, and for more than one tile of channels and weights.
for (const [sizes, options] of [
  [{ B: 2, C: 5, H: 21, W: 34, O: 20, K: 3 }, { stride: 1, padding: 'reflect' }],
  [{ B: 1, C: 3, H: 61, W: 47, O: 6, K: 3 }, { stride: 2, padding: 'zeros' }],
  [{ B: 1, C: 4, H: 130, W: 133, O: 3, K: 1 }, { stride: 1, padding: 'zeros' }],
] as const satisfies readonly [Sizes, Conv2dOptions][]) {
  test(`conv2dBackward ${JSON.stringify({ ...sizes, ...options })}`, async () => {
    const { B, C, H, W, O, K } = sizes;
    for (const tuning of await testedTunings()) {
      const engine = await testEngine(tuning);
      const g = engine.graph();
      const y = conv2d(g.input('x', [B, C, H, W]), g.input('w', [O, C, K, K]), g.input('b', [O]), options);
      const r = g.input('r', y.shape);
      const { x, w, b } = inputsOf(y);
      const [dx, dw, db] = gradients(sum(mul(y, r)), [x, w, b]);
      const program = await engine.compile({ dx: dx!, dw: dw!, db: db! });
      const next = random(5);
      const [vx, vw, vr] = [x, w, r].map((t) => Float32Array.from({ length: t.shape.reduce((n, s) => n * s, 1) }, () => 2 * next() - 1)) as [Float32Array, Float32Array, Float32Array];
      program.write(x, vx);
      program.write(w, vw);
      program.write(r, vr);
      program.run();
      const expected = plainGradients(vx, vw, vr, sizes, options.stride, (options.padding as string) === 'reflect');
      for (const [name, right] of Object.entries(expected)) assertClose(`${engine.tuning.name}: ${name}`, await program.read(name), right, 2e-5);
      program.destroy();
    }
  });
}

test('the gradients of an input that two convolutions read are added in the launch of one of them', async () => {
  const sizes = { B: 2, C: 5, H: 9, W: 14, O: 6 };
  const { B, C, H, W, O } = sizes;
  for (const tuning of await testedTunings()) {
    const engine = await testEngine(tuning);
    const g = engine.graph();
    const [x, wide, narrow] = [g.input('x', [B, C, H, W]), g.input('wide', [O, C, 3, 3]), g.input('narrow', [O, C, 1, 1])];
    const [y, z] = [conv2d(x, wide, undefined, { stride: 2 }), conv2d(x, narrow)];
    const [r, s] = [g.input('r', y.shape), g.input('s', z.shape)];
    const [dx] = gradients(add(sum(mul(y, r)), sum(mul(z, s))), [x]);
    const program = await engine.compile({ dx: dx! });
    assert.is(program.launches.filter(({ node }) => node.op.name === 'add').length, 0, program.toString());
    const next = random(7);
    const [vx, vWide, vNarrow, vr, vs] = [x, wide, narrow, r, s].map((t) => Float32Array.from({ length: t.shape.reduce((n, k) => n * k, 1) }, () => 2 * next() - 1)) as [Float32Array, Float32Array, Float32Array, Float32Array, Float32Array];
    for (const [t, values] of [[wide, vWide], [narrow, vNarrow], [r, vr], [s, vs]] as const) program.write(t, values);
    program.run();
    const other = plainGradients(vx, vNarrow, vs, { ...sizes, K: 1 }, 1, false)['dx']!;
    const right = plainGradients(vx, vWide, vr, { ...sizes, K: 3 }, 2, false)['dx']!.map((v, i) => v + other[i]!);
    assertClose(`${engine.tuning.name}: dx`, await program.read('dx'), right, 2e-5);
    program.destroy();
  }
});

test('conv2dBackward builds only the gradients that are asked for', async () => {
  const g = createEngine(await testDevice()).graph();
  const y = conv2d(g.input('x', [1, 2, 4, 4]), g.input('w', [3, 2, 3, 3]), g.input('b', [3]));
  const { x, w } = inputsOf(y);
  gradients(sum(y), [x]);
  assert.match(g.toString(), /conv2dBackwardInput/);
  assert.not.match(g.toString(), /conv2dBackward(Weight|Bias)/);
  gradients(sum(y), [w]);
  assert.match(g.toString(), /conv2dBackwardWeight/);
  assert.not.match(g.toString(), /conv2dBackwardBias/);
});

test('conv2dBackward: another image size makes no pipeline', async () => {
  const engine = createEngine(await testDevice());
  const compiled = async (H: number, W: number): Promise<number> => {
    const g = engine.graph();
    const y = conv2d(g.input('x', [1, 3, H, W]), g.input('w', [4, 3, 3, 3]), g.input('b', [4]), { padding: 'reflect', stride: 2 });
    const { x, w, b } = inputsOf(y);
    const [dx, dw, db] = gradients(sum(y), [x, w, b]);
    await engine.compile({ dx: dx!, dw: dw!, db: db! });
    return engine.pipelines.size();
  };
  assert.is(await compiled(34, 40), await compiled(61, 75));
});

test.run();
