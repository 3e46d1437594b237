import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { add, createEngine, mul, scale, ShapeError, sub } from '../../engine/index.js';
import { checkOp } from '../helpers/check.js';
import { testDevice } from '../helpers/device.js';

const functions = { add: [add, (a: number, b: number) => a + b], sub: [sub, (a: number, b: number) => a - b], mul: [mul, (a: number, b: number) => a * b] } as const;

for (const [name, [op, f]] of Object.entries(functions)) {
  for (const [a, b] of [[[1], [1]], [[3, 5], [3, 5]], [[2, 3, 5], [5]], [[4, 70], [1]], [[300, 3], [300, 3]]]) {
    test(`${name} ${a}; ${b}`, () => checkOp({
      inputs: { a: a!, b: b! },
      build: (t) => op(t['a']!, t['b']!),
      reference: (v) => v['a']!.map((x, i) => f(x, v['b']![i % v['b']!.length]!)),
    }));
  }
}

test('scale', () => checkOp({
  inputs: { x: [7, 11] },
  build: ({ x }) => scale(x!, -2.5),
  reference: ({ x }) => x!.map((v) => -2.5 * v),
}));

test('shapes that do not fit are named', async () => {
  const g = createEngine(await testDevice()).graph();
  assert.throws(() => add(g.input('a', [2, 3]), g.input('b', [2])), (e: Error) => e instanceof ShapeError && /add: .*\[2, 3\].*\[2\]/.test(e.message));
});

test.run();
