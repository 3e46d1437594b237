import { test } from 'uvu';
import { Graph, type Shape } from '../../engine/index.js';
import { matmul, type MatmulOptions } from '../../engine/ops/matmul.js';
import { assertClose, assertRefused, checkOp } from '../helpers/check.js';
import { testEngine } from '../helpers/device.js';
import { draws, random } from '../helpers/random.js';

type Numbers = Float32Array | Float64Array;

interface Sizes {
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

/** The product of each pair of matrices in plain loops; an operand with fewer values is shared. */
function product(a: Numbers, b: Numbers, { M, N, K }: Sizes, { transposeA, transposeB }: MatmulOptions): Float64Array {
  const batch = Math.max(a.length / (M * K), b.length / (K * N));
  const c = new Float64Array(batch * M * N);
  for (let z = 0; z < batch; z++) {
    const [a0, b0] = [(z * M * K) % a.length, (z * K * N) % b.length];
    for (let m = 0; m < M; m++) {
      for (let n = 0; n < N; n++) {
        for (let k = 0; k < K; k++) {
          const [ai, bi] = [a0 + (transposeA ? k * M + m : m * K + k), b0 + (transposeB ? n * K + k : k * N + n)];
          c[(z * M + m) * N + n]! += a[ai]! * b[bi]!;
        }
      }
    }
  }
  return c;
}

const transposes: MatmulOptions[] = [{}, { transposeB: true }, { transposeA: true }, { transposeA: true, transposeB: true }];
const cases: [string, Shape, Shape, number, number, number][] = [
  ['one', [], [], 1, 1, 1],
  ['odd', [], [], 19, 17, 13],
  ['batch', [2, 3], [2, 3], 5, 9, 7],
  ['more than a tile', [2], [2], 70, 66, 36],
  ['shared b', [3], [], 5, 18, 9],
  ['shared a', [], [2], 6, 5, 8],
];

for (const options of transposes) {
  const { transposeA, transposeB } = options;
  for (const [name, axesA, axesB, M, N, K] of cases) {
    test(`matmul ${name} ${JSON.stringify(options)}`, () => checkOp({
      inputs: { a: [...axesA, ...(transposeA ? [K, M] : [M, K])], b: [...axesB, ...(transposeB ? [N, K] : [K, N])] },
      build: ({ a, b }) => matmul(a!, b!, options),
      reference: ({ a, b }) => product(a!, b!, { M, N, K }, options),
    }));
  }
}

test('matmul on a CPU without subgroups', async () => {
  const engine = await testEngine({ software: true, subgroupSize: 0 });
  const [M, N, K] = [19, 35, 13];
  const [a, b] = [draws(M * K, random(3)), draws(K * N, random(4))];
  for (const options of transposes) {
    const g = engine.graph();
    const { transposeA, transposeB } = options;
    const c = matmul(g.constant(a, transposeA ? [K, M] : [M, K]), g.constant(b, transposeB ? [N, K] : [K, N]), options);
    const program = await engine.compile({ c });
    program.run();
    assertClose(JSON.stringify(options), await program.read(c), product(a, b, { M, N, K }, options), 2e-5);
    program.destroy();
  }
});

test('matmul names shapes that do not fit', () => {
  const g = new Graph();
  const refused = (a: Shape, b: Shape, text: RegExp): void => assertRefused(() => matmul(g.input('a', a), g.input('b', b)), text);
  refused([2, 3], [4, 5], /matmul: inner sizes differ: a is \[2, 3\], b is \[4, 5\]/);
  refused([2, 3, 4], [3, 4, 5], /leading axes differ/);
  refused([2, 3, 4], [5, 6], /a is \[2, 3, 4\], b is \[5, 6\]/);
  refused([3], [3, 4], /at least 2 axes/);
});

test.run();
