/** The figures from pictures alone, against oracle/metrics.py. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { glanceAt, judgePictures, type PictureFigures } from '../../model/compare/pictures.js';
import type { Image } from '../../model/image.js';
import { golden, testImage } from '../helpers/golden.js';

const { meta, get } = golden('metrics');
const image = (name: string): Image => {
  const [height, width] = meta['images'][name] as [number, number];
  return { width, height, data: testImage(`${meta['tag']}.${name}`, height, width) };
};
const [structure, appearance, result] = [image('structure'), image('appearance'), image('result')];
const columns = meta['columns'] as (keyof PictureFigures)[];

test('figures are those of the oracle, at own size and at side 256', () => {
  const { data } = get('figures');
  (['own', 256] as const).forEach((side, which) => {
    const judge = judgePictures(structure, appearance, side);
    [result, structure, appearance].forEach((picture, row) => {
      const figures = judge(picture);
      columns.forEach((name, i) => {
        const expected = data[(2 * row + which) * columns.length + i]!;
        const error = Math.abs(figures[name] - expected);
        assert.ok(error <= 1e-5 * Math.max(1, Math.abs(expected)),
          `row ${row}, side ${side}, ${name}: ${figures[name]} instead of ${expected}`);
      });
    });
  });
});

test('a glance has three of the same numbers', () => {
  const [glance, judge] = [glanceAt(structure, appearance), judgePictures(structure, appearance)];
  for (const picture of [result, structure, appearance]) {
    const { structure: edges, colour, sharpness } = judge(picture);
    assert.equal(glance(picture), { structure: edges, colour, sharpness });
  }
});

test('the trivial results are at the ends of the scales', () => {
  const judge = judgePictures(structure, appearance, 'own');
  const [kept, taken] = [judge(structure), judge(appearance)];
  assert.equal([kept.leak, taken.colour, taken.patches], [0, 0, 0]);
  assert.ok(Math.abs(kept.structure - 1) < 1e-12 && Math.abs(kept.sharpness - 1) < 1e-6);
});

test('a flat picture has no edges, and no figure is NaN', () => {
  const flat: Image = { width: 40, height: 30, data: new Float32Array(3600).fill(0.5) };
  const figures = judgePictures(structure, appearance, 'own')(flat);
  assert.ok(Object.values(figures).every(Number.isFinite));
  assert.is(figures.structure, 0);
});

test.run();
