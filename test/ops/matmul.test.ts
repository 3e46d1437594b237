import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createEngine, ShapeError, type Shape } from '../../engine/index.js';
import { matmul, type MatmulOptions } from '../../engine/ops/matmul.js';
import { assertClose, checkOp } from '../helpers/check.js';
import { testDevice, testEngine } from '../helpers/device.js';
import { random } from '../helpers/random.js';

/** The product of `batch` matrices in plain loops; an operand with fewer values is shared. */
function product(a: Float64Array, b: Float64Array, batch: number, M: number, N: number, K: number, { transposeA, transposeB }: MatmulOptions): Float64Array {
  const c = new Float64Array(batch * M * N);
  for (let z = 0; z < batch; z++) {
    const [a0, b0] = [(z * M * K) % a.length, (z * K * N) % b.length];
    for (let m = 0; m < M; m++) {
      for (let n = 0; n < N; n++) {
        for (let k = 0; k < K; k++) {
          c[(z * M + m) * N + n]! += a[a0 + (transposeA ? k * M + m : m * K + k)]! * b[b0 + (transposeB ? n * K + k : k * N + n)]!;
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
      reference: ({ a, b }) => product(a!, b!, Math.max(a!.length / (M * K), b!.length / (K * N)), M, N, K, options),
    }));
  }
}

test('matmul on a CPU without subgroups', async () => {
  const engine = await testEngine({ software: true, subgroupSize: 0 });
  const [M, N, K] = [19, 35, 13];
  const next = random(3);
  const [a, b] = [M * K, K * N].map((n) => Float32Array.from({ length: n }, () => 2 * next() - 1)) as [Float32Array, Float32Array];
  for (const options of transposes) {
    const g = engine.graph();
    const c = matmul(g.constant(a, options.transposeA ? [K, M] : [M, K]), g.constant(b, options.transposeB ? [N, K] : [K, N]), options);
    const program = await engine.compile({ c });
    program.run();
    assertClose(JSON.stringify(options), await program.read(c), product(Float64Array.from(a), Float64Array.from(b), 1, M, N, K, options), 2e-5);
    program.destroy();
  }
});

test('matmul names shapes that do not fit', async () => {
  const g = createEngine(await testDevice()).graph();
  const refuses = (a: Shape, b: Shape, text: RegExp): void =>
    assert.throws(() => matmul(g.input('a', a), g.input('b', b)), (e: Error) => e instanceof ShapeError && text.test(e.message));
  refuses([2, 3], [4, 5], /matmul: inner sizes differ: a is \[2, 3\], b is \[4, 5\]/);
  refuses([2, 3, 4], [3, 4, 5], /leading axes differ/);
  refuses([2, 3, 4], [5, 6], /a is \[2, 3, 4\], b is \[5, 6\]/);
  refuses([3], [3, 4], /at least 2 axes/);
});

test.run();
