import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { gradients, mul, ShapeError, sum } from '../../engine/index.js';
import { selfSimilarity } from '../../engine/ops/selfSimilarity.js';
import { assertClose, checkOp } from '../helpers/check.js';
import { testEngine } from '../helpers/device.js';
import { fill, golden } from '../helpers/golden.js';

function reference(k: Float64Array, [B, T, C]: readonly [number, number, number]): Float64Array {
  const s = new Float64Array(B * T * T);
  const rows = Array.from({ length: B * T }, (_, row) => k.subarray(row * C, (row + 1) * C));
  const dot = (a: Float64Array, b: Float64Array): number => a.reduce((total, v, c) => total + v * b[c]!, 0);
  for (let i = 0; i < B * T; i++) {
    for (let j = 0; j < T; j++) {
      const [a, b] = [rows[i]!, rows[Math.floor(i / T) * T + j]!];
      s[i * T + j] = dot(a, b) / Math.max(Math.sqrt(dot(a, a) * dot(b, b)), 1e-8);
    }
  }
  return s;
}

for (const shape of [[1, 2, 3], [2, 5, 8], [1, 19, 48], [2, 67, 8]] as const) {
  test(`self-similarity ${shape}`, () => checkOp({
    inputs: { k: shape },
    build: ({ k }) => selfSimilarity(k!),
    reference: ({ k }) => reference(k!, shape),
  }));
}

// Its gradient is zero but for rounding, which has nothing to be compared with.
test('one token is like itself', () => checkOp({
  inputs: { k: [2, 1, 8] },
  build: ({ k }) => selfSimilarity(k!),
  reference: () => [1, 1],
  gradients: [],
}));

test('rows of zeros are like nothing, and tiny ones have the clamped gradient', async () => {
  const engine = await testEngine();
  const g = engine.graph();
  const k = g.input('k', [1, 3, 2]);
  const s = selfSimilarity(k);
  const program = await engine.compile({ s, dk: gradients(sum(s), [k])[0]! });
  program.write(k, [0, 0, 1e-5, 0, 3, 4]);
  program.run();
  // |k_1|^2 = 1e-10 is below 1e-8: s_11 = 1e-10 / 1e-8.
  assertClose('s', await program.read('s'), [0, 0, 0, 0, 1e-2, 0.6, 0, 0.6, 1], 2e-5);
  // By k_0: 2 (k_1 + k_2) / 1e-8, k_0 itself adding nothing. By k_1: 2 k_1 / 1e-8 from s_11 (k_0 gives nothing), and from s_12 twice
  // (k_2 / n - 0.6 k_1 / |k_1|^2) = 2 ([0.6, 0.8] / 1e-5 - [0.6, 0] / 1e-5). By k_2: 2 ([1, 0] / 5 - 0.6 [3, 4] / 25).
  const dk = await program.read('dk');
  assertClose('dk_0', dk.subarray(0, 2), [6.00002e8, 8e8], 2e-5);
  assertClose('dk_1', dk.subarray(2, 4), [2e3, 1.6e5], 2e-5);
  assertClose('dk_2', dk.subarray(4, 6), [0.4 - 0.144, -0.192], 2e-5);
  program.destroy();
});

test('self-similarity, golden', async () => {
  const { get, tolerance } = golden('ops');
  const engine = await testEngine();
  const g = engine.graph();
  const k = g.input('k', [1, 19, 48]);
  const s = selfSimilarity(k);
  const program = await engine.compile({ s, dk: gradients(sum(mul(s, g.constant(fill('golden.seed.self_similarity', [19, 19]), [1, 19, 19]))), [k])[0]! });
  program.write(k, fill('golden.tokens', [19, 48]));
  program.run();
  for (const [name, output] of [['self_similarity', 's'], ['grad.self_similarity', 'dk']] as const) {
    assertClose(name, await program.read(output), get(name).data, tolerance(name));
  }
  program.destroy();
});

test('another number of tokens or images needs no new pipeline', async () => {
  const engine = await testEngine();
  const counts: number[] = [];
  for (const [B, T] of [[1, 3], [2, 40]] as const) {
    const k = engine.graph().input('k', [B, T, 8]);
    const s = selfSimilarity(k);
    (await engine.compile({ s, dk: gradients(sum(s), [k])[0]! })).destroy();
    counts.push(engine.pipelines.size());
  }
  assert.is(counts[1], counts[0]);
});

test('anything but [B, T, C] is refused', async () => {
  const k = (await testEngine()).graph().input('k', [5, 8]);
  assert.throws(() => selfSimilarity(k), (e: Error) => e instanceof ShapeError && /selfSimilarity: .*\[5, 8\]/.test(e.message));
});

test.run();
