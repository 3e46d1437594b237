import { test } from 'uvu';
import { Graph } from '../../engine/index.js';
import { colorJitter } from '../../engine/ops/colorJitter.js';
import { assertRefused, checkGolden, checkOp, photo } from '../helpers/check.js';

type Colour = [number, number, number];
const grey = ([r, g, b]: Colour): number => 0.2989 * r + 0.587 * g + 0.114 * b;
const blend = (colour: Colour, other: number, factor: number): Colour =>
  colour.map((v) => Math.min(Math.max(factor * v + (1 - factor) * other, 0), 1)) as Colour;

/** Turns the hue: each channel is a trapezoid of the hue, written without sextants. */
function turnHue([r, g, b]: Colour, turn: number): Colour {
  const most = Math.max(r, g, b);
  const chroma = most - Math.min(r, g, b);
  if (chroma === 0) return [r, g, b];
  const hue = most === r ? (g - b) / chroma : most === g ? 2 + (b - r) / chroma : 4 + (r - g) / chroma;
  return [5, 3, 1].map((n) => {
    const k = (((n + hue + 6 * turn) % 6) + 6) % 6;
    return most - chroma * Math.max(0, Math.min(k, 4 - k, 1));
  }) as Colour;
}

/** One image [3, plane], its adjustments one after the other. */
function jitterImage(x: Float64Array, draw: Float64Array): number[] {
  const plane = x.length / 3;
  let colours = Array.from({ length: plane }, (_, p): Colour => [x[p]!, x[plane + p]!, x[2 * plane + p]!]);
  for (const which of draw[0] ? draw.slice(1, 5) : []) {
    const factor = draw[5 + which]!;
    const meanGrey = colours.reduce((total, c) => total + grey(c), 0) / plane;
    colours = colours.map((c) => (which === 3 ? turnHue(c, factor) : blend(c, [0, meanGrey, grey(c)][which]!, factor)));
  }
  return [0, 1, 2].flatMap((channel) => colours.map((c) => c[channel]!));
}

const draws = {
  'in order': [1, 0, 1, 2, 3, 1.3, 0.7, 1.2, -0.1],
  'contrast last': [1, 3, 2, 0, 1, 0.7, 1.4, 0.8, 0.45],
  'contrast first': [1, 1, 0, 3, 2, 1.2, 1.3, 0.9, 0.1],
  off: [0, 0, 1, 2, 3, 1.3, 0.7, 1.2, -0.1],
};
for (const [name, draw] of Object.entries(draws)) {
  for (const shape of [[1, 3, 1, 1], [2, 3, 5, 7], [1, 3, 70, 80]]) {
    test(`colorJitter ${name}, ${shape}`, () => checkOp({
      inputs: { x: shape, draw: [9] },
      values: { x: (v, i) => (i % 7 === 0 ? 0.5 : 0.5 + 0.5 * v), draw: (_, i) => draw[i]! },
      build: ({ x, draw: d }) => colorJitter(x!, d!),
      reference: ({ x, draw: d }) => {
        const size = x!.length / shape[0]!;
        return Array.from({ length: shape[0]! }, (_, b) => jitterImage(x!.slice(b * size, (b + 1) * size), d!)).flat();
      },
      gradients: [],
    }));
  }
}

test('golden jitter', () => checkGolden('jitter', photo, (x) =>
  colorJitter(x, x.graph.constant(Float32Array.of(1, 2, 0, 3, 1, 1.3, 0.7, 1.15, -0.07)))));

test('shapes that do not fit are refused', () => {
  const g = new Graph();
  assertRefused(() => colorJitter(g.input('x', [1, 4, 8, 9]), g.input('draw', [9])), /colorJitter: .*\[1, 4, 8, 9\]/);
  assertRefused(() => colorJitter(g.input('x', [1, 3, 8, 9]), g.input('draw', [8])), /colorJitter: .*\[8\] and \[9\]/);
});

test.run();
