import { test } from 'uvu';
import { attention } from '../../engine/ops/attention.js';
import { attentionCases, attentionOp, showCase } from '../helpers/attention.js';
import { checkOp } from '../helpers/check.js';

for (const c of [...attentionCases, { B: 1, T: 67, heads: 1, HS: 8 }]) {
  test(`attention backward, ${showCase(c)}`, () => checkOp(attentionOp(c, attention)));
}

test('attention and its gradient, heads of very different size', () => {
  const c = { B: 2, T: 5, heads: 3, HS: 8 };
  return checkOp({ ...attentionOp(c, attention), values: { qkv: (v, i) => v * 100 ** -(Math.floor(i / c.HS) % c.heads) } });
});

test('attention backward of large scores', () => checkOp({
  ...attentionOp({ B: 1, T: 19, heads: 3, HS: 8 }, attention),
  values: { qkv: (v) => 10 * v },
  tolerance: 1e-4, // an error of one step in a score of a hundred is 8e-6 of p, and dy - delta magnifies it
}));

test.run();
