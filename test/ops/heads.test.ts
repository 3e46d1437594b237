import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ShapeError } from '../../engine/index.js';
import { attention } from '../../engine/ops/attention.js';
import { headSizes } from '../../engine/ops/launch/heads.js';
import { testEngine } from '../helpers/device.js';

test('sizes of heads', async () => {
  const qkv = (await testEngine()).graph().input('qkv', [2, 5, 72]);
  assert.equal(headSizes('attention', qkv, 3), { B: 2, T: 5, C: 24, NH: 3, HS: 8 });
});

test('qkv that heads do not divide is refused', async () => {
  const g = (await testEngine()).graph();
  const fails = (shape: number[], heads: number, message: RegExp): void =>
    assert.throws(() => attention(g.input('qkv', shape), heads), (e: Error) => e instanceof ShapeError && message.test(e.message));
  fails([5, 72], 3, /attention: qkv must have 3 axes, got \[5, 72\]/);
  fails([1, 5, 72], 5, /attention: .*\[1, 5, 72\], heads are 5/);
  fails([1, 5, 70], 1, /attention: .*\[1, 5, 70\]/);
});

test.run();
