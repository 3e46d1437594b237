import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { principalComponents } from '../../model/study/pca.js';
import { assertClose } from '../helpers/check.js';
import { golden } from '../helpers/golden.js';
import { random } from '../helpers/random.js';

test('pca of a self-similarity, golden', () => {
  for (const name of ['vit_probe8_32x32', 'vit_probe8_40x56', 'vit_probe4_24x24']) {
    const { get } = golden(name);
    const similarity = get('self_similarity');
    const { values } = principalComponents(similarity.data, similarity.shape[1]!, 3);
    assertClose(name, values.slice(3), get('pca').data, 1e-5); // the file leaves the CLS row out
  }
});

test('pca finds the directions data was drawn along', () => {
  const next = random(5);
  const spreads = [9, 4, 1, 0.01];
  const rows = Array.from({ length: 4000 }, () => spreads.map((s) => s * (next() + next() - 1)));
  // Turned by a fixed orthogonal matrix (a Hadamard matrix of order 4, halved), and moved.
  const turn = [[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]].map((row) => row.map((v) => v / 2));
  const data = rows.flatMap((row) => turn.map((column, i) => 7 * i + column.reduce((sum, v, k) => sum + v * row[k]!, 0)));
  const { mean, axes, variances, values } = principalComponents(data, 4, 3);
  assertClose('mean', mean, [0, 7, 14, 21], 0.02);
  assertClose('variances', variances, spreads.slice(0, 3).map((s) => s * s / 6), 0.1); // of a sum of two uniform numbers
  for (let k = 0; k < 3; k++) {
    const along = Math.abs(turn.reduce((sum, row, c) => sum + row[k]! * axes[k * 4 + c]!, 0));
    assert.ok(along > 0.99, `axis ${k} is off: ${along}`);
    const column = [...values].filter((_, i) => i % 3 === k);
    assert.ok(Math.max(...column) >= -Math.min(...column), 'the largest value is positive');
  }
});

test('pca of constant rows is zero, not NaN', () => {
  const { values, variances } = principalComponents(new Float32Array(12).fill(3), 4, 2);
  assert.ok([...values, ...variances].every((v) => v === 0), `${values} ${variances}`);
});

test('pca names what does not fit', () => {
  assert.throws(() => principalComponents([1, 2, 3], 2, 1), /pca: 3 values are not whole rows of 2/);
  assert.throws(() => principalComponents([1, 2, 3, 4], 2, 3), /pca: 3 components of 2 columns/);
});

test.run();
