/** Clusters and how label maps agree. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { kmeans, meanIou } from '../../model/compare/kmeans.js';
import { random } from '../helpers/random.js';

/** Points around the corners of a square, in turn. */
function corners(count: number, seed: number): Float32Array {
  const next = random(seed);
  const corners = [[0, 0], [0, 9], [9, 0], [9, 9]];
  return Float32Array.from({ length: 2 * count }, (_, i) => corners[Math.floor(i / 2) % 4]![i % 2]! + next());
}

test('kmeans finds separate groups whatever the seed, and repeats itself', () => {
  for (let seed = 0; seed < 20; seed++) {
    const rows = { data: corners(80, seed), columns: 2 };
    const labels = kmeans(rows, 4, seed);
    assert.is(new Set(labels).size, 4);
    labels.forEach((label, i) => assert.is(label, labels[i % 4]));
    assert.equal([...kmeans(rows, 4, seed)], [...labels]);
  }
});

test('kmeans with more clusters than different rows', () => {
  const labels = kmeans({ data: Float32Array.of(1, 1, 1, 5, 5), columns: 1 }, 4, 1);
  assert.is(new Set(labels).size, 2);
  assert.ok(labels[0] === labels[2] && labels[3] === labels[4]);
});

test('mean IoU', () => {
  const of = (...labels: number[]) => Int32Array.from(labels);
  assert.is(meanIou(of(0, 0, 1, 1), of(0, 0, 1, 1)), 1);
  assert.is(meanIou(of(0, 0, 1, 1), of(1, 1, 0, 0)), 0);
  assert.is(meanIou(of(0, 0, 1, 2), of(0, 1, 1, 1)), (1 / 2 + 1 / 3 + 0) / 3);
});

test.run();
