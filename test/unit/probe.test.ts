import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { areaUnderCurve, nearestNeighbourAccuracy, patchLabels, separation } from '../../model/study/probe.js';
import { random } from '../helpers/random.js';

test('nearest neighbours: by direction, not by length', () => {
  const known = { features: Float32Array.of(1, 0, 0, 1), labels: [0, 1] };
  const test_ = { features: Float32Array.of(9, 1, 0.01, 0.1, 5, 4), labels: [0, 1, 1] };
  assert.is(nearestNeighbourAccuracy(known, test_, 2, 1), 2 / 3);
});

test('nearest neighbours: near votes weigh more than many far ones', () => {
  const known = { features: Float32Array.of(1, 0, 0, 1, 0.1, 1), labels: [0, 1, 1] };
  assert.is(nearestNeighbourAccuracy(known, { features: Float32Array.of(1, 0.05), labels: [0] }, 2, 3), 1);
});

test('area under the curve: perfect, opposite, chance, ties', () => {
  assert.is(areaUnderCurve([1, 2, 3, 4], [false, false, true, true]), 1);
  assert.is(areaUnderCurve([1, 2, 3, 4], [true, true, false, false]), 0);
  assert.is(areaUnderCurve([1, 2, 3, 4], [true, false, false, true]), 0.5);
  assert.is(areaUnderCurve([5, 5, 5], [true, false, true]), 0.5);
  assert.is(areaUnderCurve([1, 2, 2], [false, true, false]), 0.75);
  assert.ok(Number.isNaN(areaUnderCurve([1, 2], [true, true])));
});

test('area under the curve counts pairs', () => {
  const next = random(3);
  const scores = Array.from({ length: 60 }, () => Math.floor(10 * next()));
  const positive = scores.map((s) => next() < s / 12);
  let [wins, pairs] = [0, 0];
  scores.forEach((a, i) => scores.forEach((b, j) => {
    if (!positive[i] || positive[j]) return;
    pairs++;
    wins += a > b ? 1 : a === b ? 0.5 : 0;
  }));
  assert.ok(Math.abs(areaUnderCurve(scores, positive) - wins / pairs) < 1e-12);
});

test('separation: keys that tell the object, keys that say nothing, patches left out', () => {
  const labels = [0, 0, 0, 3, 3, -1];
  const telling = Float32Array.from(labels.flatMap((l, i) => (l === 3 ? [1, 0.01 * i] : [0.01 * i, 1])));
  assert.is(separation(telling, labels, 3), 1);
  assert.is(separation(new Float32Array(12).fill(1), labels, 3), 0.5);
  assert.is(separation(telling.map((v, i) => (i >= 10 ? 100 : v)), labels, 3), 1); // the last patch has no label
  assert.ok(Number.isNaN(separation(telling, [0, 0, 0, 3, 0, -1], 3)), 'one patch cannot be found from another');
  assert.ok(Number.isNaN(separation(telling, [3, 3, 3, 3, 3, -1], 3)));
});

test('labels of patches: most of it, or none', () => {
  const data = Uint8Array.from([0, 0, 1, 1, 0, 3, 1, 1, 2, 2, 3, 3, 2, 2, 0, 0]);
  assert.equal(patchLabels({ width: 4, height: 4, data }, 2, 2, 0.7), [0, 1, 2, -1]);
  assert.equal(patchLabels({ width: 4, height: 4, data }, 1, 4, 0.5), [0, 2, 1, 1]);
});

test.run();
