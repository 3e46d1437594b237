import { test } from 'uvu';
import { attention } from '../../engine/ops/attention.js';
import { attentionReference, showCase } from '../helpers/attention.js';
import { checkOp } from '../helpers/check.js';

const cases = [
  { B: 1, T: 1, heads: 1, HS: 8 },
  { B: 1, T: 67, heads: 1, HS: 8 },
  { B: 2, T: 5, heads: 3, HS: 8 },
  { B: 1, T: 19, heads: 1, HS: 64 },
  { B: 2, T: 9, heads: 2, HS: 7 },
];

for (const c of cases) {
  test(`attention backward, ${showCase(c)}`, () => checkOp({
    inputs: { qkv: [c.B, c.T, 3 * c.heads * c.HS] },
    build: ({ qkv }) => attention(qkv!, c.heads),
    reference: ({ qkv }) => attentionReference(qkv!, c),
  }));
}

test('attention backward of large scores', () => {
  const c = { B: 1, T: 19, heads: 3, HS: 8 };
  return checkOp({
    inputs: { qkv: [c.B, c.T, 3 * c.heads * c.HS] },
    values: { qkv: (v) => 10 * v },
    build: ({ qkv }) => attention(qkv!, c.heads),
    reference: ({ qkv }) => attentionReference(qkv!, c),
    tolerance: 1e-4, // an error of one step in a score of a hundred is 8e-6 of p, and dy - delta magnifies it
  });
});

test.run();
