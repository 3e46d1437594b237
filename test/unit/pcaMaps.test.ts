/** Colours of patches: golden components, pictures together, foreground. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Image } from '../../model/image.js';
import { principalComponents } from '../../model/study/pca.js';
import type { PatchRows } from '../../model/study/patches.js';
import { components, otsu, pcaMaps } from '../../model/study/pcaMaps.js';
import { similarityFactor } from '../../model/study/similarity.js';
import { assertClose } from '../helpers/check.js';
import { golden } from '../helpers/golden.js';
import { random } from '../helpers/random.js';

test('components of the self-similarity of golden keys', () => {
  for (const name of ['vit_probe8_32x32', 'vit_probe8_40x56', 'vit_probe4_24x24', 'vit_probe4_18x31']) {
    const { get } = golden(name);
    const keys = get('last.keys');
    const C = keys.shape[2]!;
    const values = components({ data: Float64Array.from(keys.data), C }, 'self-similarity');
    assertClose(name, values.slice(3), get('pca').data, 2e-5);
  }
});

test('with more rows than columns the factor has the components of the whole matrix', () => {
  const next = random(3);
  const [n, C] = [40, 6];
  const data = Float64Array.from({ length: n * C }, () => next() - 0.3);
  const factor = similarityFactor({ data, C });
  assert.is(factor.C, C);
  const unit = Array.from({ length: n }, (_, i) => data.subarray(i * C, (i + 1) * C))
    .map((row) => row.map((v) => v / Math.hypot(...row)));
  const whole = unit.flatMap((a) => unit.map((b) => a.reduce((sum, v, c) => sum + v * b[c]!, 0)));
  assertClose('values', principalComponents(factor.data, C, 3).values, principalComponents(whole, n, 3).values, 1e-8);
});

/** A picture of 6 x 8 patches, CLS first: a block in the middle, its lower half a little different, and another kind around. */
function picture(seed: number, left: number): PatchRows {
  const next = random(seed);
  const [rows, columns, C] = [6, 8, 5];
  const kinds = [[0, 0, 1, 0, 0], [3, 1, 0, 0, 0], [3, -1, 0, 0, 0], [0, 0, 0, 0, 0]];
  const kindOf = (i: number): number => {
    const [y, x] = [Math.floor(i / columns), i % columns];
    if (y < 1 || y > 4 || x < left || x > left + 3) return 0;
    return y < 3 ? 1 : 2;
  };
  const of = [3, ...Array.from({ length: rows * columns }, (_, i) => kindOf(i))];
  return { data: Float32Array.from(of.flatMap((kind) => kinds[kind]!.map((v) => v + 0.05 * next()))), C, rows, columns };
}

const at = (image: { width: number; height: number; data: Float32Array }, y: number, x: number): number[] =>
  [0, 1, 2].map((c) => image.data[(c * image.height + y) * image.width + x]!);
const apart = (a: number[], b: number[]): number => Math.hypot(...a.map((v, i) => v - b[i]!));

for (const of of ['facet', 'self-similarity'] as const) {
  test(`${of}: like parts have like colours, in all pictures with one basis`, () => {
    const [a, b] = pcaMaps([picture(1, 2), picture(2, 3)], { of, joint: true, foreground: false }) as [Image, Image];
    assert.equal([a.width, a.height], [8, 6]);
    const red = (image: typeof a, y: number, x: number): number => at(image, y, x)[0]!;
    assert.ok(Math.abs(red(a, 2, 3) - red(b, 2, 4)) < 0.15 && Math.abs(red(a, 0, 0) - red(b, 5, 7)) < 0.15);
    assert.ok(Math.abs(red(a, 2, 3) - red(a, 0, 0)) > 0.6, 'block and background differ');
  });

  test(`${of}: the foreground is the block, the background dark, and its halves differ`, () => {
    const [map] = pcaMaps([picture(1, 2)], { of, joint: false, foreground: true });
    for (let y = 0; y < 6; y++) {
      for (let x = 0; x < 8; x++) {
        const inside = y >= 1 && y <= 4 && x >= 2 && x <= 5;
        assert.is(at(map!, y, x).every((v) => Math.abs(v - 0.12) < 1e-6), !inside, `row ${y}, column ${x}`);
      }
    }
    assert.ok(apart(at(map!, 1, 3), at(map!, 4, 3)) > 0.5);
  });
}

test('Otsu splits between two groups', () => {
  assert.is(otsu([1, 1.2, 0.9, 5, 5.5]), 3.1);
  assert.is(otsu([2, 2, 2]), 2);
});

test.run();
