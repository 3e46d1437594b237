import { test } from 'uvu';
import { add, Graph, mul, scale, sub, type Tensor } from '../../engine/index.js';
import { assertRefused, checkOp } from '../helpers/check.js';

type Function = [op: (a: Tensor, b: Tensor) => Tensor, f: (a: number, b: number) => number];
const functions: Record<string, Function> = {
  add: [add, (a, b) => a + b],
  sub: [sub, (a, b) => a - b],
  mul: [mul, (a, b) => a * b],
};

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

test('shapes that do not fit are named', () => {
  const g = new Graph();
  assertRefused(() => add(g.input('a', [2, 3]), g.input('b', [2])), /add: .*\[2, 3\].*\[2\]/);
});

test.run();
