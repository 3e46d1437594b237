import { test } from 'uvu';
import { attention } from '../../engine/ops/attention.js';
import { attentionCases, attentionOp, showCase } from '../helpers/attention.js';
import { checkOp } from '../helpers/check.js';

for (const c of [...attentionCases, { B: 2, T: 130, heads: 3, HS: 8 }]) {
  test(`attention, ${showCase(c)}`, () => checkOp({ ...attentionOp(c, attention), gradients: [] }));
}

// Scores up to about 500, growing along the keys: without the running maximum exp overflows, with a late one sums are lost.
test('attention of large scores', () => {
  const c = { B: 1, T: 67, heads: 3, HS: 8 };
  const width = 3 * c.heads * c.HS;
  return checkOp({
    ...attentionOp(c, attention),
    values: { qkv: (v, i) => 10 * v * (1 + Math.floor(i / width) / c.T) },
    gradients: [],
    tolerance: 1e-4, // an error of one step in a score of some hundreds is 3e-5 of p
  });
});

test('another number of tokens or images needs no new pipeline', () =>
  checkOp({ ...attentionOp({ B: 1, T: 3, heads: 3, HS: 8 }, attention), resized: { qkv: [2, 80, 72] } }));

test.run();
