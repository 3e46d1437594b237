/** Detail at full size: what stays, what tiles must not change, sizes at the edge, and bad input. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { addDetail, type DetailInputs } from '../../model/detail/detail.js';
import { keyCorners, matchingCells } from '../../model/detail/keys.js';
import type { TokenMatches } from '../../model/detail/matches.js';
import { amountFor, detailWeights, type DetailOptions } from '../../model/detail/options.js';
import { cut } from '../../model/detail/planes.js';
import { withTexture } from '../../model/detail/texture.js';
import type { Image } from '../../model/image.js';
import { resample } from '../../model/resample.js';
import { testEngine } from '../helpers/device.js';
import { fill, testImage } from '../helpers/golden.js';

function photo(name: string, width: number, height: number, roughness = 0.1): Image {
  const detail = fill(`${name}.detail`, [3, height, width]);
  const data = testImage(name, height, width).map((v, i) => Math.min(1, Math.max(0, 0.1 + 0.8 * v + roughness * detail[i]!)));
  return { width, height, data };
}

const inputs = (width = 96, height = 70, low = 4): DetailInputs => ({
  structure: photo('structure', width, height),
  result: photo('result', Math.ceil(width / low), Math.ceil(height / low), 0),
  appearance: photo('appearance', 80, 90),
});

const detail = async (given: DetailInputs, options?: Partial<DetailOptions>, onProgress?: (share: number) => void) =>
  addDetail(await testEngine(), given, options, onProgress);

const rms = (a: Float32Array, b: Float32Array): number =>
  Math.sqrt(a.reduce((sum, v, i) => sum + (v - b[i]!) ** 2, 0) / a.length);
const farthest = (a: Float32Array, b: Float32Array): number => a.reduce((most, v, i) => Math.max(most, Math.abs(v - b[i]!)), 0);

test('reduced again it is the trained result, and detail is above that', async () => {
  const given = inputs();
  const { width, height } = given.result;
  const image = await detail(given, { gain: 0.6, texture: 0.6 });
  assert.ok(image.data.every((v) => v > 0 && v < 1), 'a case without values that are cut off');
  assert.ok(farthest(resample(image, width, height).data, given.result.data) < 1e-5);
  assert.ok(rms(image.data, resample(given.result, 96, 70).data) > 0.02);
});

test('with a wider band, what is reduced further is the same', async () => {
  const given = inputs();
  const image = await detail(given, { gain: 0.5, texture: 0.4, band: 2 });
  const low = resample(given.result, 12, 9);
  assert.ok(farthest(resample(image, 12, 9).data, low.data) < 1e-5);
});

test('the structure comes with the gain alone, the texture with its own', async () => {
  const given = inputs();
  const plain = await detail(given, { amount: 0 });
  const each = [await detail(given, { gain: 1, texture: 0 }), await detail(given, { gain: 0, texture: 1 })];
  for (const image of each) assert.ok(rms(image.data, plain.data) > 0.01);
  const following = (image: Image): number =>
    image.data.reduce((sum, v, i) => sum + (v - plain.data[i]!) * (given.structure.data[i]! - 0.5), 0);
  assert.ok(following(each[0]!) > 0);
});

test('the same inputs give the same bytes', async () => {
  assert.equal((await detail(inputs())).data, (await detail(inputs())).data);
});

test('tiles and regions change rounding only', async () => {
  const given = inputs();
  const [whole, tiled] = [await detail(given), await detail(given, { tile: 17 })];
  assert.ok(farthest(whole.data, tiled.data) < 1e-5, `tiles: ${farthest(whole.data, tiled.data)}`);
  const texture = async (region: number): Promise<Image> =>
    withTexture(await testEngine(), given.result, given.appearance, [70, 96], { keys: 500, region }, () => {});
  assert.equal((await texture(16)).data, (await texture(256)).data);
});

for (const [what, width, height, low] of [
  ['tiny', 9, 7, 3], ['a result of one pixel', 6, 5, 6], ['a long strip', 300, 9, 4.5], ['a factor of 1.3', 60, 47, 1.3],
] as const) {
  test(`sizes: ${what}`, async () => {
    const given = inputs(width, height, low);
    const image = await detail(given);
    assert.equal([image.width, image.height], [width, height]);
    assert.ok(image.data.every((v) => v >= 0 && v <= 1));
  });
}

test('an appearance photo smaller than a patch, or much smaller than the structure photo, adds no texture', async () => {
  const given = inputs();
  const without = await detail(given, { gain: 1, texture: 0 });
  const small = await detail({ ...given, appearance: photo('small', 4, 3) }, { gain: 1, texture: 0.7 });
  assert.ok(rms(without.data, small.data) < 0.02);
});

test('a result as large as the structure photo is returned, a larger one reduced', async () => {
  const { structure, appearance } = inputs();
  const same = photo('same', 96, 70);
  assert.equal((await detail({ structure, appearance, result: same })).data, same.data);
  const larger = await detail({ structure, appearance, result: photo('larger', 192, 140) });
  assert.equal([larger.width, larger.height], [96, 70]);
});

test('progress rises to 1', async () => {
  const shares: number[] = [];
  await detail(inputs(), { tile: 40 }, (share) => shares.push(share));
  assert.ok(shares.length > 4);
  assert.equal(shares, shares.toSorted((a, b) => a - b));
  assert.ok(Math.abs(shares.at(-1)! - 1) < 1e-9, `${shares.at(-1)}`);
});

test('the default amount is less for a larger result', () => {
  assert.equal([64, 128, 256, 2000].map(amountFor), [1, 0.6, 0.3, 0.25]);
  assert.equal(detailWeights(512, { amount: 0 }), { gain: 0, texture: 0 });
});

test('bad input is refused', async () => {
  const given = inputs();
  const refuses = async (message: RegExp, options: Partial<DetailOptions>, other: Partial<DetailInputs> = {}): Promise<void> => {
    const error: unknown = await detail({ ...given, ...other }, options).catch((e: unknown) => e);
    assert.ok(error instanceof RangeError && message.test(error.message), String(error));
  };
  await refuses(/amount must be from 0 to 1, got 1\.5/, { amount: 1.5 });
  await refuses(/amount must be from 0 to 1, got NaN/, { amount: NaN });
  await refuses(/band must be at least 1, got 0\.5/, { band: 0.5 });
});

/** A picture of 2 x 3 patches and an appearance of 2 x 2, in which the upper patches match cell 3, the lower ones cell 0. */
const matches: TokenMatches = { picture: [2, 3], appearance: [2, 2], best: Int32Array.of(3, 3, 3, 0, 0, 0), count: 1 };

test('a region takes its keys from the cells that its patches match', () => {
  const cells = (from: [number, number], to: [number, number]): number[] => [...matchingCells(matches, { from, to }, [100, 150])];
  assert.equal(cells([0, 0], [40, 40]), [0, 0, 0, 1]);
  assert.equal(cells([60, 100], [100, 150]), [1, 0, 0, 0]);
  assert.equal(cells([-4, -4], [60, 20]), [1, 0, 0, 1]);
  const corners = [...keyCorners([20, 30], 5, 50, Uint8Array.of(0, 0, 0, 1), [2, 2])];
  assert.ok(corners.length > 20 && corners.length <= 50, `${corners.length}`);
  assert.ok(corners.every((at) => Math.floor(at / 30) + 2.5 >= 10 && (at % 30) + 2.5 >= 15));
});

test('keys are evenly spread over all of a photo, and none is outside it', () => {
  const corners = [...keyCorners([40, 60], 5, 100)];
  assert.is(new Set(corners).size, 100);
  assert.ok(corners.every((at) => Math.floor(at / 60) <= 35 && at % 60 <= 55));
  const middle = corners.reduce((sum, at) => sum + (at % 60), 0) / 100;
  assert.ok(middle > 20 && middle < 35, `${middle}`);
  assert.equal([...keyCorners([5, 6], 5, 100)], [0, 1]);
});

test('matches change where the texture comes from', async () => {
  const given = inputs();
  const [all, some] = [await detail(given), await detail({ ...given, matches })];
  assert.ok(rms(all.data, some.data) > 1e-4);
});

test('a box beyond the edges is mirrored', () => {
  const data = Float32Array.of(1, 2, 3, 4, 5, 6);
  assert.equal([...cut(data, [2, 3], { from: [-1, -1], to: [2, 4] })], [5, 4, 5, 6, 5, 2, 1, 2, 3, 2, 5, 4, 5, 6, 5]);
});

test.run();
