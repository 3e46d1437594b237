import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { add, Graph, gradients, mul, sum, type Shape, type Tensor } from '../../engine/index.js';
import { linear } from '../../engine/ops/linear.js';
import { gelu, quickGelu } from '../../engine/ops/unary.js';
import { assertRefused, checkOp } from '../helpers/check.js';
import { testEngine } from '../helpers/device.js';
import { affine, plainGelu, plainQuickGelu } from '../helpers/plain.js';

// The last six have every tile of a GPU, as y, dx and dw, depths that are no multiple of 16, and products of few rows.
const sizes: [Shape, number][] = [
  [[1, 1], 1], [[2, 3, 5], 7], [[2, 35, 36], 68], [[19, 8], 12], [[3, 20], 6],
  [[5, 20], 1540], [[66, 20], 644], [[2, 35, 644], 12], [[130, 1540], 8],
  [[2, 300], 12], [[3, 12], 300],
];

for (const [shape, N] of sizes) {
  const K = shape.at(-1)!;
  test(`linear ${shape} to ${N}`, () => checkOp({
    inputs: { x: shape, w: [N, K], b: [N] },
    build: ({ x, w, b }) => linear(x!, w!, b!),
    reference: ({ x, w, b }) => affine(x!, w!, b!),
  }));
}

test('linear without bias', () => checkOp({
  inputs: { x: [5, 12], w: [9, 12] },
  build: ({ x, w }) => linear(x!, w!),
  reference: ({ x, w }) => affine(x!, w!, new Float64Array(9)),
}));

for (const [activation, f] of [[gelu, plainGelu], [quickGelu, plainQuickGelu]] as const) {
  test(`linear, ${activation.name}`, () => checkOp({
    inputs: { x: [2, 9, 12], w: [20, 12], b: [20] },
    build: ({ x, w, b }) => activation(linear(x!, w!, b!)),
    reference: ({ x, w, b }) => affine(x!, w!, b!).map(f),
  }));
}

test('linear, gelu, linear', () => checkOp({
  inputs: { x: [2, 9, 12], w: [20, 12], b: [20], v: [8, 20] },
  build: ({ x, w, b, v }) => linear(gelu(linear(x!, w!, b!)), v!),
  reference: ({ x, w, b, v }) => affine(affine(x!, w!, b!).map(plainGelu), v!, new Float64Array(8)),
}));

test('linear, residual on either side', () => checkOp({
  inputs: { x: [2, 9, 12], w: [20, 12], b: [20], v: [20, 12], r: [2, 9, 20] },
  build: ({ x, w, b, v, r }) => add(linear(x!, v!), add(r!, linear(x!, w!, b!))),
  reference: ({ x, w, b, v, r }) => {
    const other = affine(x!, v!, new Float64Array(20));
    return affine(x!, w!, b!).map((y, i) => y + r![i]! + other[i]!);
  },
}));

/** The op names of the launches that a schedule is made of. */
async function launchesOf(build: (g: Graph, x: Tensor, layer: Tensor) => Record<string, Tensor>): Promise<string[]> {
  const engine = await testEngine();
  const g = engine.graph();
  const x = g.input('x', [5, 8]);
  const program = await engine.compile(build(g, x, linear(x, g.input('w', [8, 8]), g.input('b', [8]))));
  const names = program.schedule.launches.map((node) => node.op.name);
  program.destroy();
  return names;
}

test('an activation is fused, and keeps its input when something else needs it', async () => {
  assert.equal(await launchesOf((_, __, y) => ({ z: gelu(y) })), ['linearActivation']);
  assert.equal(await launchesOf((_, __, y) => ({ z: quickGelu(y), y })), ['linearActivation']);
  assert.equal(await launchesOf((g, x, y) => {
    const z = gelu(y);
    const loss = sum(mul(z, g.constant(new Float32Array(40).fill(0.5), [5, 8])));
    return { loss, dx: gradients(loss, [x])[0]! };
  }), ['linearActivation', 'mul', 'sum', 'sumBackward', 'mul', 'geluBackward', 'linearBackwardInput']);
});

test('the gradient of an activation is fused into the next layer, whose weights need none', async () => {
  assert.equal(await launchesOf((g, x, y) => {
    const z = linear(gelu(y), g.input('v', [4, 8]));
    return { z, dx: gradients(sum(z), [x])[0]! };
  }), ['linearActivation', 'linear', 'sumBackward', 'linearBackwardActivation', 'linearBackwardInput']);
});

test('a residual is fused unless the layer itself is needed or shapes differ', async () => {
  assert.equal(await launchesOf((_, x, y) => ({ z: add(x, y) })), ['linearResidual']);
  assert.equal(await launchesOf((_, x, y) => ({ z: add(y, x) })), ['linearResidual']);
  assert.equal(await launchesOf((_, x, y) => ({ z: add(y, x), y })), ['linear', 'add']);
  assert.equal(await launchesOf((_, __, y) => ({ z: add(y, y) })), ['linear', 'add']);
  assert.equal(await launchesOf((g, _, y) => ({ z: add(y, g.input('row', [8])) })), ['linear', 'add']);
});

test('another number of rows needs no new pipeline', () => checkOp({
  inputs: { x: [5, 8], w: [4, 8] },
  build: ({ x, w }) => linear(x!, w!),
  reference: ({ x, w }) => affine(x!, w!, new Float64Array(4)),
  resized: { x: [33, 8], w: [4, 8] },
}));

test('linear names shapes that do not fit', () => {
  const g = new Graph();
  const refused = (w: Shape, b: Shape, text: RegExp): void =>
    assertRefused(() => linear(g.input('x', [2, 3]), g.input('w', w), g.input('b', b)), text);
  refused([4, 5], [4], /linear: .*x is \[2, 3\], w is \[4, 5\]/);
  refused([4, 3], [5], /linear: .*b is \[5\], w is \[4, 3\]/);
});

test.run();
