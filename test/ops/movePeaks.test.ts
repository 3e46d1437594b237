import { test } from 'uvu';
import { Graph } from '../../engine/index.js';
import { movePeaks } from '../../engine/ops/movePeaks.js';
import { assertRefused, checkOp, type Values } from '../helpers/check.js';

function reference({ x, moved }: Values, T: number, C: number): Float64Array {
  const y = x!.slice();
  for (let image = 0; image < x!.length; image += T * C) {
    for (let c = 0; c < C; c++) {
      if (moved![c] !== 1) continue;
      const rows = Array.from({ length: T }, (_, t) => image + t * C + c);
      const peak = Math.max(...rows.map((at) => x![at]!));
      for (const at of rows) y[at] = 0;
      y[rows.at(-1)!] = peak;
    }
  }
  return y;
}

for (const [B, T, C] of [[1, 1, 1], [2, 5, 3], [1, 9, 64], [2, 70, 130]] as const) {
  test(`movePeaks ${[B, T, C]}`, () => checkOp({
    inputs: { x: [B, T, C], moved: [C] },
    // Distinct elements, so that no step of the differences changes the peak: T numbers in an order of their own per column.
    values: {
      x: (v, i) => ((Math.floor(i / C) * 37 + (i % C) * 11) % (B * T + 1)) / 10 + 0.01 * v,
      moved: (_, c) => Number(c % 3 === 0),
    },
    build: ({ x, moved }) => movePeaks(x!, moved!),
    reference: (values) => reference(values, T, C),
    gradients: ['x'],
  }));
}

test('movePeaks refuses other shapes', () => {
  const g = new Graph();
  assertRefused(() => movePeaks(g.input('x', [2, 3, 4]), g.input('moved', [3])),
    /movePeaks: x is \[2, 3, 4\], moved must be \[4\]/);
  assertRefused(() => movePeaks(g.input('flat', [3, 4]), g.input('moved4', [4])), /movePeaks/);
});

test.run();
