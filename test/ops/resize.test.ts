import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Graph, type Tensor } from '../../engine/index.js';
import { normalize } from '../../engine/ops/normalize.js';
import { crop } from '../../engine/ops/window.js';
import { resize, resizeSources, shorterSideSize, type ResizeOptions } from '../../engine/ops/resize.js';
import { assertRefused, checkGolden, checkOp, photo } from '../helpers/check.js';
import { testEngine } from '../helpers/device.js';
import { gather } from '../helpers/plain.js';

const linear = (d: number): number => Math.max(0, 1 - Math.abs(d));
const cubic = (a: number) => (signed: number): number => {
  const d = Math.abs(signed);
  if (d < 1) return (a + 2) * d ** 3 - (a + 3) * d ** 2 + 1;
  return d < 2 ? a * (d ** 3 - 5 * d ** 2 + 8 * d - 4) : 0;
};

/** The weights of every output along one axis as a dense matrix [to][from]. */
function weights(from: number, to: number, { mode, antialias }: ResizeOptions, step = from / to): number[][] {
  const radius = mode === 'bicubic' ? 2 : 1;
  return Array.from({ length: to }, (_, o) => {
    const row = Array.from({ length: from }, () => 0);
    const stretch = antialias ? Math.max(step, 1) : 1;
    const filter = mode === 'bicubic' ? cubic(antialias ? -0.5 : -0.75) : linear;
    const at = step * (o + 0.5) - 0.5;
    for (let t = Math.floor(at - radius * stretch); t <= at + radius * stretch + 1; t++) {
      const inside = Math.min(Math.max(t, 0), from - 1);
      if (!antialias || inside === t) row[inside]! += filter((t - at) / stretch);
    }
    const total = row.reduce((a, b) => a + b);
    return row.map((w) => w / total);
  });
}

/** x [planes, H, W] -> [planes, OH, OW]: both weight matrices at once. */
function reference(x: Float64Array, [H, W]: number[], [OH, OW]: number[], options: ResizeOptions): number[] {
  const wy = weights(H!, OH!, options, options.scale?.[0]);
  const wx = weights(W!, OW!, options, options.scale?.[1]);
  return gather(x.length / (H! * W!), OH!, OW!, (p, u, v) => {
    let total = 0;
    wy[u]!.forEach((a, i) => a && wx[v]!.forEach((b, j) => (total += a * b * x[(p * H! + i) * W! + j]!)));
    return total;
  });
}

const cases: [number[], [number, number]][] = [
  [[1, 1, 1, 1], [1, 3]], [[1, 3, 7, 5], [12, 9]], [[2, 3, 19, 23], [4, 6]], [[1, 4, 6, 6], [6, 5]], [[1, 1, 3, 2], [2, 41]],
];
for (const mode of ['bilinear', 'bicubic'] as const) {
  for (const antialias of [false, true]) {
    for (const [shape, size] of cases) {
      test(`resize ${mode}${antialias ? ' antialias' : ''} ${shape} to ${size}`, () => checkOp({
        inputs: { x: shape },
        build: ({ x }) => resize(x!, size, { mode, antialias }),
        reference: ({ x }) => reference(x!, shape.slice(2), size, { mode, antialias }),
      }));
    }
  }
}

test('resize with a given scale', () => checkOp({
  inputs: { x: [1, 5, 4, 4] },
  build: ({ x }) => resize(x!, [5, 7], { mode: 'bicubic', scale: [4 / 5.1, 4 / 7.1] }),
  reference: ({ x }) => reference(x!, [4, 4], [5, 7], { mode: 'bicubic', scale: [4 / 5.1, 4 / 7.1] }),
}));

/** Rows, or columns, of the whole picture's ends and of its middle. */
const parts = (n: number): [number, number][] => [[0, Math.ceil(n / 3)], [Math.floor(n / 3), Math.ceil(n / 2)], [n - 1, 1]];

for (const [from, to] of [[[23, 9], [7, 31]], [[8, 30], [29, 30]]] as [number[], [number, number]][]) {
  for (const options of [{ mode: 'bicubic', antialias: true }, { mode: 'bilinear' }] as const) {
    for (const [top, rows] of parts(to[0])) {
      for (const [left, columns] of parts(to[1])) {
        test(`resize ${options.mode} ${from} to rows ${top}+${rows}, columns ${left}+${columns} of ${to}`, () => {
          const [y0, y1] = resizeSources(from[0]!, to[0], top, rows, options);
          const [x0, x1] = resizeSources(from[1]!, to[1], left, columns, options);
          const part = { input: from as [number, number], output: to, x: [y0, x0], y: [top, left] } as const;
          return checkOp({
            inputs: { x: [1, 3, ...from] },
            build: ({ x }) => resize(crop(x!, y0, x0, y1 - y0, x1 - x0), [rows, columns], { ...options, part }),
            reference: ({ x }) => {
              const whole = reference(x!, from, to, options);
              return gather(3, rows, columns, (p, i, j) => whole[(p * to[0] + top + i) * to[1] + left + j]!);
            },
            gradients: [],
            rowLength: 3 * rows * columns, // a single column's numbers may be near zero
          });
        });
      }
    }
  }
}

test('a part without the pixels that it needs is refused', () => {
  const x = new Graph().input('x', [1, 3, 8, 9]);
  const options = { mode: 'bicubic', part: { input: [100, 9], output: [200, 18], x: [10, 0], y: [30, 0] } } as const;
  const missing = /pixels 12 to 23 along axis 2: y has 10 of 200 from 30, x has 8 of 100 from 10/;
  assertRefused(() => resize(x, [10, 18], options), missing);
  assertRefused(() => resize(x, [2, 19], { ...options, part: { ...options.part, y: [28, 0] } }), /axis 3: y has 19 of 18/);
});

const [mean, std] = [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]] as const;

for (const [shape, size] of [[[2, 3, 9, 7], [4, 5]], [[1, 3, 5, 4], [8, 4]]] as [number[], [number, number]][]) {
  test(`resize and normalize ${shape} to ${size}`, () => checkOp({
    inputs: { x: shape },
    build: ({ x }) => normalize(resize(x!, size, { mode: 'bilinear', antialias: true }), mean, std),
    reference: ({ x }) => reference(x!, shape.slice(2), size, { mode: 'bilinear', antialias: true }).map((v, i) => {
      const c = Math.floor(i / (size[0] * size[1])) % 3;
      return (v - mean[c]!) / std[c]!;
    }),
  }));
}

test('a normalize that follows costs no launch, unless the raw image is read too', async () => {
  const engine = await testEngine();
  const g = engine.graph();
  const raw = resize(g.input('x', [1, 3, 8, 8]), [4, 4], { mode: 'bilinear' });
  const y = normalize(raw, mean, std);
  assert.is((await engine.compile({ y })).launches.length, 2);
  assert.is((await engine.compile({ y, raw })).launches.length, 3);
});

test('resize to the same size is x itself', () => {
  const x = new Graph().input('x', [1, 3, 8, 9]);
  assert.is(resize(x, [8, 9], { mode: 'bicubic', antialias: true }), x);
});

test('another image size needs no new pipeline', () => {
  const options = { mode: 'bicubic', antialias: true } as const;
  return checkOp({
    inputs: { x: [1, 3, 20, 31] },
    build: ({ x }) => resize(x!, x!.shape[2] === 20 ? [8, 8] : [11, 11], options),
    reference: ({ x }) => reference(x!, [20, 31], [8, 8], options),
    gradients: [],
    resized: { x: [1, 3, 7, 5] },
  });
});

const shorter = (size: number, longest?: number, antialias = false) => (x: Tensor): Tensor =>
  resize(x, shorterSideSize(x.shape[2]!, x.shape[3]!, size, longest), { mode: 'bilinear', antialias });
const square = (size: number, antialias = false) => (x: Tensor): Tensor =>
  resize(x, [size, size], { mode: 'bicubic', antialias });
const goldens: Record<string, (x: Tensor) => Tensor> = {
  resize_shorter_24: shorter(24),
  resize_shorter_24_max_30: shorter(24, 30),
  resize_shorter_50: shorter(50),
  resize_bicubic_24: square(24),
  resize_bicubic_64: square(64),
  resize_shorter_24_antialias: shorter(24, undefined, true),
  resize_bicubic_24_antialias: square(24, true),
  resize_bicubic_64_antialias: square(64, true),
};
for (const [name, build] of Object.entries(goldens)) test(`golden ${name}`, () => checkGolden(name, photo, build));

test('shorterSideSize rounds down', () => {
  assert.equal(shorterSideSize(300, 401, 224), [224, 299]);
  assert.equal(shorterSideSize(401, 300, 224), [299, 224]);
  assert.equal(shorterSideSize(100, 1000, 224, 480), [48, 480]);
  assert.equal(shorterSideSize(50, 50, 224, 480), [224, 224]);
});

test('shapes other than [B, C, H, W] are refused', () => {
  const x = new Graph().input('x', [3, 8, 9]);
  assertRefused(() => resize(x, [4, 4], { mode: 'bilinear' }), /\[3, 8, 9\]/);
});

test.run();
