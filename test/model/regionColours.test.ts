/** Colour distances of regions: of pictures whose regions have known colours. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { regionColours, regionDistance } from '../../model/compare/regionColours.js';
import type { Image } from '../../model/image.js';

type Rgb = readonly [number, number, number];

/** `left` in the left half, `right` in the other. */
const halves = (width: number, height: number, left: Rgb, right: Rgb): Image => ({
  width, height, data: Float32Array.from({ length: 3 * width * height }, (_, i) =>
    (i % width < width / 2 ? left : right)[Math.floor(i / (width * height)) as 0 | 1 | 2]),
});
const labels = (left: number, right: number) => ({ width: 2, height: 1, data: Uint8Array.of(left, right) });

const [RED, GREEN, GREY]: Rgb[] = [[0.9, 0.1, 0.1], [0.1, 0.7, 0.2], [0.5, 0.5, 0.5]];

test('a region is compared with its partner, wherever that is', () => {
  const [a, b] = [halves(64, 40, RED!, GREEN!), halves(40, 60, GREEN!, RED!)];
  const of = (image: Image, region: number, at: ReturnType<typeof labels>) => regionColours(image, region, at);
  const same = regionDistance(of(a, 1, labels(1, 2)), of(b, 1, labels(2, 1)))!;
  const other = regionDistance(of(a, 1, labels(1, 2)), of(b, 2, labels(2, 1)))!;
  assert.ok(same < 0.05 * other, `${same} for equal colours, ${other} for others`);
});

test('without labels the partner is a whole picture; a region without a pixel has no distance', () => {
  const [a, grey] = [halves(64, 40, GREY!, RED!), halves(32, 32, GREY!, GREY!)];
  const whole = regionColours(grey, 2);
  const [left, right] = [1, 2].map((region) => regionDistance(regionColours(a, region, labels(1, 2)), whole)!);
  assert.ok(left! < 0.05 * right!, `${left} for grey, ${right} for red`);
  assert.is(regionDistance(regionColours(a, 3, labels(1, 2)), whole), null);
});

test.run();
