/** Sequences: the loss of still parts against plain loops, and a run that sees several frames. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createEngine } from '../../engine/index.js';
import { defaultOptions, published } from '../../model/method/options.js';
import { holdStill, neighbourOf, stillLoss } from '../../model/method/still.js';
import { startSplice } from '../../model/training/pair.js';
import { checkOp } from '../helpers/check.js';
import { testDevice } from '../helpers/device.js';
import { testImage } from '../helpers/golden.js';
import { formulaVit } from '../helpers/models.js';

const TOLERANCE = 4 / 255;

test('what is equal in both frames is to be equal in their results; what moves does not count', () => checkOp({
  inputs: { x: [1, 3, 2, 3], y: [1, 3, 2, 3] },
  build: ({ x, y }) => {
    const a = x!.graph.constant(Float32Array.from({ length: 18 }, (_, i) => i / 18), [1, 3, 2, 3]);
    // Equal, at the tolerance, or elsewhere.
    const b = x!.graph.constant(Float32Array.from({ length: 18 }, (_, i) => i / 18 + [0, -TOLERANCE, 0.2][i % 3]!), [1, 3, 2, 3]);
    return stillLoss(x!, y!, a, b);
  },
  reference: ({ x, y }) => {
    const weights = [1 / (1 + Math.exp(-6)), 0.5, 1 / (1 + Math.exp((6 * 0.2) / TOLERANCE - 6))];
    return [x!.reduce((sum, v, i) => sum + weights[i % 3]! * Math.abs(v - y![i]!), 0) / 18];
  },
}));

test('the neighbour of a frame is the next one, of the last the one before', () => {
  assert.equal([0, 1, 2].map((frame) => neighbourOf(frame, 3)), [1, 2, 1]);
});

test('a pixel that does not change keeps its result, and slow changes are noticed', () => {
  const of = (...values: number[]) => ({ width: values.length / 3, height: 1, data: Float32Array.from(values) });
  // Channel by channel: the first pixel stays, the second changes in blue alone.
  const first = { frame: of(0.2, 0.4, 0.2, 0.4, 0.2, 0.4), result: of(0, 0.1, 0.2, 0.3, 0.4, 0.5) };
  const second = { frame: of(0.21, 0.4, 0.2, 0.4, 0.2, 0.9), result: of(0.9, 0.8, 0.7, 0.6, 0.5, 0.4) };
  assert.equal(holdStill(undefined, first), first);
  const held = holdStill(first, second);
  assert.equal(held.result, of(0, 0.8, 0.2, 0.6, 0.4, 0.4));
  assert.equal(held.frame, of(0.2, 0.4, 0.2, 0.4, 0.2, 0.9), 'the frame is the one that the result belongs to');
  const half = { frame: of(0.2 + 1.5 * TOLERANCE, 0.4, 0.2, 0.4, 0.2, 0.9), result: of(1, 0, 0, 0, 0, 0) };
  assert.ok(Math.abs(holdStill(held, half).result.data[0]! - 0.5) < 1e-6, 'half way between tolerance and its double');
});

const vit = formulaVit('probe8', 'still', 0.5);
const image = (name: string, height: number, width: number) => ({ width, height, data: testImage(name, height, width) });
const frames = ['still.a', 'still.b', 'still.c'].map((name) => image(name, 48, 48));

for (const recipe of ['splice', 'splice-transfer'] as const) {
  test(`${recipe}: steps take frames by the seed, and the result is of any frame`, async () => {
    const run = async (lambdaStill: number) => {
      const engine = createEngine(await testDevice(), { poison: true });
      const options = { ...defaultOptions, ...published, recipe, vitSize: 32, lambdaStill };
      const splice = await startSplice(engine, vit, frames[0]!, image('still.d', 42, 40), options, undefined, { frames });
      const losses = [];
      for (let i = 0; i < 3; i++) {
        await splice.step();
        losses.push(await splice.losses());
      }
      const results = [];
      for (const frame of [0, 2, 0]) results.push(await splice.result(frame));
      assert.ok(splice.memory.total >= engine.buffers.heldBytes(), 'the estimate counts what they need');
      splice.destroy();
      engine.destroy();
      return { losses, results };
    };
    const [with50, again, without] = [await run(50), await run(50), await run(0)];
    assert.equal(again, with50);
    assert.ok(with50.losses.every((line) => line['still']! > 0));
    assert.not('still' in without.losses[0]!);
    assert.equal(with50.losses[0]!['structure'], without.losses[0]!['structure'], 'the same frame');
    const [first, third, firstAgain] = with50.results;
    assert.equal(firstAgain, first);
    assert.not.equal(third, first);
  });
}

test.run();
