import { test } from 'uvu';
import { attentionCls } from '../../engine/ops/attentionCls.js';
import { attentionCases, attentionOp, showCase } from '../helpers/attention.js';
import { checkOp } from '../helpers/check.js';

for (const c of [...attentionCases, { B: 2, T: 300, heads: 3, HS: 8 }]) {
  test(`attention of the first token, ${showCase(c)}`, () => checkOp(attentionOp(c, attentionCls, 1)));
}

test('attention of the first token, heads of very different size', () => {
  const c = { B: 2, T: 5, heads: 3, HS: 8 };
  return checkOp({ ...attentionOp(c, attentionCls, 1), values: { qkv: (v, i) => v * 100 ** -(Math.floor(i / c.HS) % c.heads) } });
});

test('attention of the first token, large scores', () => checkOp({
  ...attentionOp({ B: 1, T: 67, heads: 3, HS: 8 }, attentionCls, 1),
  values: { qkv: (v) => 10 * v },
  tolerance: 1e-4, // an error of one step in a score of a hundred is 8e-6 of p, and dy - delta magnifies it
}));

test('another number of tokens or images needs no new pipeline', () =>
  checkOp({ ...attentionOp({ B: 1, T: 3, heads: 3, HS: 8 }, attentionCls, 1), resized: { qkv: [2, 80, 72] } }));

test.run();
