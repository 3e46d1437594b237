import { test } from 'uvu';
import { ceilDiv, sizeOf, type LeafAttrs } from '../../engine/index.js';
import { attention, gradientOfParts } from '../../engine/ops/attention.js';
import { TILE_TOKENS } from '../../shaders/attentionBackward.js';
import { attentionCases, attentionOp, showCase } from '../helpers/attention.js';
import { assertRowsClose, checkOp } from '../helpers/check.js';
import { testedTunings, testEngine } from '../helpers/device.js';
import { draws, random } from '../helpers/random.js';

for (const c of [...attentionCases, { B: 1, T: 67, heads: 3, HS: 8 }]) {
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

test('attention backward in fewer parts than tiles of keys', async () => {
  const [T, heads, HS] = [101, 3, 8];
  for (const tuning of (await testedTunings()).filter(({ software }) => software === false)) {
    const engine = await testEngine(tuning);
    const g = engine.graph();
    const shapes = { qkv: [2, T, 3 * heads * HS], dy: [2, T, heads * HS], lse: [2, heads, T], delta: [2, heads, T] };
    const inputs = Object.entries(shapes).map(([name, shape]) => g.input(name, shape));
    const most = ceilDiv(T, TILE_TOKENS);
    const outputs = Object.fromEntries([most, 3, 1].map((parts) => [`of${parts}`, gradientOfParts(inputs, { heads, parts })]));
    const program = await engine.compile(outputs);
    for (const [i, { node, shape }] of inputs.entries()) {
      program.write((node.attrs as LeafAttrs).name, draws(sizeOf(shape), random(i)));
    }
    program.run();
    const expected = Float64Array.from(await program.read(`of${most}`));
    for (const parts of [3, 1]) assertRowsClose(`${parts} parts`, await program.read(`of${parts}`), expected, HS, 1e-5);
    program.destroy();
  }
});

test.run();
