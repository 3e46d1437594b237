import { test } from 'uvu';
import { gradients, Graph, sum } from '../../engine/index.js';
import { selfSimilarity } from '../../engine/ops/selfSimilarity.js';
import { assertClose, assertRefused, checkGolden, checkOp, tokens } from '../helpers/check.js';
import { testEngine } from '../helpers/device.js';

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

// Its gradient is zero except for rounding, which cannot be compared relatively.
test('the similarity of one token is one', () => checkOp({
  inputs: { k: [2, 1, 8] },
  build: ({ k }) => selfSimilarity(k!),
  reference: () => [1, 1],
  gradients: [],
}));

test('a row of zeros has no similarity, and a tiny row the clamped gradient', async () => {
  const engine = await testEngine();
  const g = engine.graph();
  const k = g.input('k', [1, 3, 2]);
  const s = selfSimilarity(k);
  const program = await engine.compile({ s, dk: gradients(sum(s), [k])[0]! });
  program.write(k, [0, 0, 1e-5, 0, 3, 4]);
  program.run();
  // |k_1|^2 = 1e-10 is below 1e-8: s_11 = 1e-10 / 1e-8.
  assertClose('s', await program.read('s'), [0, 0, 0, 0, 1e-2, 0.6, 0, 0.6, 1], 2e-5);
  // By k_0: 2 (k_1 + k_2) / 1e-8; k_0 itself adds nothing.
  // By k_1: 2 k_1 / 1e-8 from s_11, and twice k_2 / n - 0.6 k_1 / |k_1|^2 = ([0.6, 0.8] - [0.6, 0]) / 1e-5 from s_12.
  // By k_2: 2 ([1, 0] / 5 - 0.6 [3, 4] / 25).
  const dk = await program.read('dk');
  assertClose('dk_0', dk.subarray(0, 2), [6.00002e8, 8e8], 2e-5);
  assertClose('dk_1', dk.subarray(2, 4), [2e3, 1.6e5], 2e-5);
  assertClose('dk_2', dk.subarray(4, 6), [0.4 - 0.144, -0.192], 2e-5);
  program.destroy();
});

test('self-similarity, golden', () => checkGolden('self_similarity', tokens(1, 0, [1, 19, 48]), selfSimilarity));

test('another number of tokens or images needs no new pipeline', () => checkOp({
  inputs: { k: [1, 3, 8] },
  build: ({ k }) => selfSimilarity(k!),
  reference: ({ k }) => reference(k!, [1, 3, 8]),
  resized: { k: [2, 40, 8] },
}));

test('shapes other than [B, T, C] are refused', () => {
  const k = new Graph().input('k', [5, 8]);
  assertRefused(() => selfSimilarity(k), /selfSimilarity: .*\[5, 8\]/);
});

test.run();
