import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createEngine, Graph, type Shape } from '../../engine/index.js';
import { conv2d, type Conv2dOptions } from '../../engine/ops/conv2d.js';
import { assertRefused, checkOp, type OpCase, type Values } from '../helpers/check.js';
import { testDevice, testedTunings } from '../helpers/device.js';
import { eachProduct, type Convolution } from '../helpers/plain.js';

type Four = readonly [number, number, number, number];

function reference({ x, w, b }: Values, sizes: Convolution): Float64Array {
  const { B, H, W, O, stride } = sizes;
  const plane = Math.ceil(H / stride) * Math.ceil(W / stride);
  const y = Float64Array.from({ length: B * O * plane }, (_, i) => b?.[Math.floor(i / plane) % O] ?? 0);
  eachProduct(sizes, (yi, xi, wi) => (y[yi]! += x![xi]! * w![wi]!));
  return y;
}

function caseOf([B, C, H, W]: Four, O: number, K: number, options: Required<Conv2dOptions>, bias = true): OpCase {
  const inputs: Record<string, Shape> = { x: [B, C, H, W], w: [O, C, K, K], ...(bias && { b: [O] }) };
  return {
    inputs,
    build: ({ x, w, b }) => conv2d(x!, w!, b, options),
    reference: (v) => reference(v, { B, C, H, W, O, K, ...options }),
  };
}

function check(name: string, x: Four, O: number, K: number, options: Required<Conv2dOptions>, bias = true): void {
  const { stride, padding } = options;
  test(`conv2d ${name} ${x} -> ${O}, window ${K}, stride ${stride}, ${padding}`, () => checkOp(caseOf(x, O, K, options, bias)));
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
  test(`conv2d refuses ${x} with ${w}`, () => {
    const g = new Graph();
    const message = new RegExp(`^conv2d: .*${what.replaceAll('[', '\\[')}`);
    assertRefused(() => conv2d(g.input('x', x), g.input('w', w), undefined, options), message);
  });
}

const layer = { w: [4, 3, 3, 3], b: [4] };

test('conv2d: another image size needs no new pipeline', () => checkOp({
  ...caseOf([1, 3, 8, 8], 4, 3, { stride: 1, padding: 'reflect' }),
  gradients: [],
  resized: { x: [1, 3, 31, 5], ...layer },
}));

test('conv2d and its gradients: another image size needs no new pipeline', () => checkOp({
  ...caseOf([1, 3, 34, 40], 4, 3, { stride: 2, padding: 'reflect' }),
  resized: { x: [1, 3, 43, 41], ...layer },
}));

test('layers of other channels share a pipeline', async () => {
  for (const tuning of await testedTunings()) {
    const engine = createEngine(await testDevice(), { tuning });
    const g = engine.graph();
    const hidden = conv2d(g.input('x', [1, 5, 8, 8]), g.input('w', [64, 5, 3, 3]));
    const program = await engine.compile({ y: conv2d(hidden, g.input('v', [96, 64, 3, 3])) });
    assert.is(program.launches.length, 2);
    assert.is(new Set(program.launches.map(({ pipeline }) => pipeline)).size, 1, engine.tuning.name);
    program.destroy();
    engine.destroy();
  }
});

test.run();
