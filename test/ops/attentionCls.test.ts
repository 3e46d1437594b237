import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { gradients, sum } from '../../engine/index.js';
import { attentionCls } from '../../engine/ops/attentionCls.js';
import { attentionReference, showCase } from '../helpers/attention.js';
import { checkOp } from '../helpers/check.js';
import { testEngine } from '../helpers/device.js';

const cases = [
  { B: 1, T: 1, heads: 1, HS: 8 },
  { B: 2, T: 300, heads: 1, HS: 8 },
  { B: 2, T: 5, heads: 3, HS: 8 },
  { B: 1, T: 19, heads: 1, HS: 64 },
  { B: 2, T: 9, heads: 2, HS: 7 },
];

for (const c of cases) {
  test(`attention of the first token, ${showCase(c)}`, () => checkOp({
    inputs: { qkv: [c.B, c.T, 3 * c.heads * c.HS] },
    build: ({ qkv }) => attentionCls(qkv!, c.heads),
    reference: ({ qkv }) => attentionReference(qkv!, c, 1),
  }));
}

test('attention of the first token, large scores', () => {
  const c = { B: 1, T: 67, heads: 3, HS: 8 };
  return checkOp({
    inputs: { qkv: [c.B, c.T, 3 * c.heads * c.HS] },
    values: { qkv: (v) => 10 * v },
    build: ({ qkv }) => attentionCls(qkv!, c.heads),
    reference: ({ qkv }) => attentionReference(qkv!, c, 1),
    tolerance: 1e-4, // an error of one step in a score of a hundred is 8e-6 of p, and dy - delta magnifies it
  });
});

test('another number of tokens or images needs no new pipeline', async () => {
  const engine = await testEngine();
  const counts: number[] = [];
  for (const [B, T] of [[1, 3], [2, 80]] as const) {
    const qkv = engine.graph().input('qkv', [B, T, 24]);
    const y = attentionCls(qkv, 1);
    (await engine.compile({ y, dqkv: gradients(sum(y), [qkv])[0]! })).destroy();
    counts.push(engine.pipelines.size());
  }
  assert.is(counts[1], counts[0]);
});

test.run();
