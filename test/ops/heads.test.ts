import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Graph } from '../../engine/index.js';
import { attention } from '../../engine/ops/attention.js';
import { headSizes } from '../../engine/ops/launch/heads.js';
import { assertRefused } from '../helpers/check.js';

test('sizes of heads', () => {
  const qkv = new Graph().input('qkv', [2, 5, 72]);
  assert.equal(headSizes('attention', qkv, 3), { B: 2, T: 5, C: 24, NH: 3, HS: 8 });
});

test('qkv that heads do not divide is refused', () => {
  const g = new Graph();
  const refused = (shape: number[], heads: number, message: RegExp): void =>
    assertRefused(() => attention(g.input('qkv', shape), heads), message);
  refused([5, 72], 3, /attention: qkv must have 3 axes, got \[5, 72\]/);
  refused([1, 5, 72], 5, /attention: .*\[1, 5, 72\], heads are 5/);
  refused([1, 5, 70], 1, /attention: .*\[1, 5, 70\]/);
});

test.run();
