import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createEngine, ShapeError, type Shape } from '../../engine/index.js';
import { conv2d, type Conv2dOptions } from '../../engine/ops/conv2d.js';
import { checkOp } from '../helpers/check.js';
import { testDevice, testedTunings } from '../helpers/device.js';

type Four = readonly [number, number, number, number];

/** Where a mirrored index lies; -1 beyond a border of zeros. */
function sourceIndex(i: number, size: number, padding: string): number {
  if (i >= 0 && i < size) return i;
  if (padding === 'zeros') return -1;
  return i < 0 ? -i : 2 * (size - 1) - i;
}

/** conv2d as six loops. */
function reference(x: Float64Array, w: Float64Array, b: Float64Array | undefined, [B, C, H, W]: Four, [O, , K]: Four, options: Required<Conv2dOptions>): number[] {
  const { stride, padding } = options;
  const pad = (K - 1) / 2;
  const y: number[] = [];
  for (let n = 0; n < B; n++) for (let o = 0; o < O; o++) for (let i = 0; i < H; i += stride) for (let j = 0; j < W; j += stride) {
    let total = b?.[o] ?? 0;
    for (let ky = 0; ky < K; ky++) for (let kx = 0; kx < K; kx++) {
      const si = sourceIndex(i + ky - pad, H, padding), sj = sourceIndex(j + kx - pad, W, padding);
      if (si < 0 || sj < 0) continue;
      for (let c = 0; c < C; c++) total += w[((o * C + c) * K + ky) * K + kx]! * x[((n * C + c) * H + si) * W + sj]!;
    }
    y.push(total);
  }
  return y;
}

function check(name: string, x: Four, O: number, K: number, options: Required<Conv2dOptions>, bias = true): void {
  const w: Four = [O, x[1], K, K];
  test(`conv2d ${name} ${x} -> ${O}, window ${K}, stride ${options.stride}, ${options.padding}`, () => checkOp({
    inputs: { x, w, ...(bias ? { b: [O] } : {}) } as Record<string, Shape>,
    build: (t) => conv2d(t['x']!, t['w']!, t['b'], options),
    reference: (v) => reference(v['x']!, v['w']!, v['b'], x, w, options),
  }));
}

for (const stride of [1, 2] as const) {
  for (const padding of ['zeros', 'reflect'] as const) {
    check('odd sizes', [2, 3, 5, 7], 5, 1, { stride, padding });
    check('odd sizes', [2, 4, 5, 7], 3, 3, { stride, padding });
    check('odd sizes', [2, 1, 9, 4], 4, 5, { stride, padding });
    check('odd sizes', [1, 3, 5, 9], 1, 7, { stride, padding });
  }
}
// A pixel mirrored from both sides at once, and images of one pixel or row.
check('narrow', [1, 2, 3, 2], 2, 3, { stride: 1, padding: 'reflect' });
check('narrow', [1, 2, 4, 5], 2, 7, { stride: 2, padding: 'reflect' });
check('one pixel', [1, 1, 1, 1], 1, 3, { stride: 1, padding: 'zeros' });
check('one row', [2, 2, 1, 6], 3, 5, { stride: 2, padding: 'zeros' }, false);
// More channels than a tile or a long strip holds, more weights than one, and shares of the pixels for the weight gradient.
check('many channels', [2, 17, 5, 4], 44, 3, { stride: 1, padding: 'zeros' });
check('many channels', [1, 44, 4, 7], 17, 3, { stride: 2, padding: 'reflect' }, false);
check('many channels', [1, 36, 3, 5], 40, 1, { stride: 1, padding: 'zeros' });
check('many pixels', [1, 2, 29, 37], 3, 3, { stride: 1, padding: 'reflect' });
check('many pixels', [2, 2, 19, 26], 3, 1, { stride: 1, padding: 'zeros' });

for (const [what, x, w, options] of [
  ['channels differ: x is [1, 3, 8, 8], w is [4, 2, 3, 3]', [1, 3, 8, 8], [4, 2, 3, 3], {}],
  ['window must be 1, 3, 5 or 7 wide and high: w is [4, 3, 4, 4]', [1, 3, 8, 8], [4, 3, 4, 4], {}],
  ['window must be 1, 3, 5 or 7 wide and high: w is [4, 3, 3, 1]', [1, 3, 8, 8], [4, 3, 3, 1], {}],
  ['x must have 4 axes, got [3, 8, 8]', [3, 8, 8], [4, 3, 3, 3], {}],
  ['too small to reflect 3 pixels: x is [1, 3, 8, 3]', [1, 3, 8, 3], [4, 3, 7, 7], { padding: 'reflect' }],
] as const) {
  test(`conv2d refuses ${x} with ${w}`, async () => {
    const g = createEngine(await testDevice()).graph();
    assert.throws(() => conv2d(g.input('x', x), g.input('w', w), undefined, options),
      (e: Error) => e instanceof ShapeError && e.message.startsWith('conv2d: ') && e.message.includes(what));
  });
}

test('conv2d: another image size makes no pipeline', async () => {
  const engine = createEngine(await testDevice());
  const compiled = async (H: number, W: number): Promise<number> => {
    const g = engine.graph();
    await engine.compile({ y: conv2d(g.input('x', [1, 3, H, W]), g.input('w', [4, 3, 3, 3]), undefined, { padding: 'reflect' }) });
    return engine.pipelines.size();
  };
  assert.is(await compiled(8, 8), await compiled(31, 5));
});

test('layers of other channels share a pipeline', async () => {
  for (const tuning of await testedTunings()) {
    const engine = createEngine(await testDevice(), { tuning });
    const g = engine.graph();
    const hidden = conv2d(g.input('x', [1, 5, 8, 8]), g.input('w', [64, 5, 3, 3]));
    const program = await engine.compile({ y: conv2d(hidden, g.input('v', [96, 64, 3, 3])) });
    assert.is(program.launches.length, 2);
    assert.is(engine.pipelines.size(), 1, engine.tuning.name);
    program.destroy();
    engine.destroy();
  }
});

test.run();
