/** The demo's landscapes: their content, and that the code draws the committed files. */
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { labels, type Mask } from '../../cli/demo/scenes.js';
import { readMask } from '../assets/masks.js';
import { scenePainter, type Scene, type SceneKind } from '../../cli/demo/scenes.js';
import { packageRoot } from '../../cli/shared/files.js';
import { readImage } from '../../cli/photos/photo.js';
import type { Image } from '../../model/image.js';
import { testDevice } from '../helpers/device.js';

const KINDS = ['valley', 'peaks'] as const;
const [WIDTH, HEIGHT] = [48, 32];
const demoFile = (name: string) => join(packageRoot, 'cli', 'demo', name);

/** Calls a function once for each kind and keeps the result: compiling and drawing take seconds. */
function once<T>(make: (kind: SceneKind) => Promise<T>): (kind: SceneKind) => Promise<T> {
  const made = new Map<SceneKind, Promise<T>>();
  return (kind) => {
    if (!made.has(kind)) made.set(kind, make(kind));
    return made.get(kind)!;
  };
}

const painter = once(async (kind) => scenePainter(await testDevice(), kind));
const draw = async (kind: SceneKind, seed: number, samples: number): Promise<Scene> =>
  (await painter(kind))({ seed, samples, width: WIDTH, height: HEIGHT });

/** The pictures as committed, but small. */
const committedScene = once((kind) => draw(kind, 0, 8));

const mean = (values: Iterable<number>): number => {
  const all = [...values];
  return all.reduce((sum, value) => sum + value, 0) / all.length;
};

/** Mean red, green and blue of the pixels with a label. */
function meanColour({ image, mask }: Scene, label: number): number[] {
  const plane = image.width * image.height;
  return [0, 1, 2].map((c) => mean(image.data.subarray(c * plane, (c + 1) * plane).filter((_, i) => mask.data[i] === label)));
}

const toLinear = (v: number): number => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
const toSrgb = (v: number): number => (v <= 0.0031308 ? 12.92 * v : 1.055 * v ** (1 / 2.4) - 0.055);

/** Averages blocks in linear light, as the kernel averages its samples. */
function shrink({ width, height, data }: Image, by: number): Image {
  const [w, h] = [width / by, height / by];
  const small = new Float32Array(3 * w * h);
  for (let i = 0; i < data.length; i++) {
    const [c, y, x] = [Math.floor(i / (width * height)), Math.floor(i / width) % height, i % width];
    const at = (c * h + Math.floor(y / by)) * w + Math.floor(x / by);
    small[at] = small[at]! + toLinear(data[i]!) / by ** 2;
  }
  return { width: w, height: h, data: small.map(toSrgb) };
}

/** Label that most pixels of each block have. */
function shrinkMask({ width, height, data }: Mask, by: number): Uint8Array {
  const [w, h] = [width / by, height / by];
  const votes = Array.from({ length: w * h }, () => [0, 0, 0, 0]);
  data.forEach((label, i) => votes[Math.floor(i / width / by) * w + Math.floor((i % width) / by)]![label]!++);
  return Uint8Array.from(votes, (counts) => counts.indexOf(Math.max(...counts)));
}

for (const kind of KINDS) {
  test(`scene ${kind}: sky above ground above water, and a house`, async () => {
    const { mask } = await committedScene(kind);
    const rowOf = (label: number) =>
      mean([...mask.data.keys()].filter((i) => mask.data[i] === label).map((i) => Math.floor(i / WIDTH)));
    const [sky, ground, water, object] = [labels.sky, labels.ground, labels.water, labels.object].map(rowOf);
    assert.ok(sky! < ground! && ground! < water!, `mean rows ${sky}, ${ground}, ${water}`);
    assert.ok(sky! < object! && object! < water!, `mean row of the house ${object}`);
  });

  test(`scene ${kind}: the same seed gives the same picture, another seed another`, async () => {
    const [first, again, other] = [await draw(kind, 3, 1), await draw(kind, 3, 1), await draw(kind, 4, 1)];
    assert.equal(again, first);
    assert.not.equal(other.mask.data, first.mask.data);
    for (const value of first.image.data) assert.ok(value >= 0 && value <= 1, `colour ${value}`);
  });

  test(`scene ${kind}: the code draws the committed files`, async () => {
    const { image, mask } = await committedScene(kind);
    const picture = await readImage(demoFile(`${kind}.png`));
    const by = picture.width / WIDTH;
    const expected = shrink(picture, by);
    const error = mean(image.data.map((value, i) => Math.abs(value - expected.data[i]!)));
    assert.ok(error < 0.01, `mean difference ${error}`);
    const labelled = shrinkMask(await readMask(demoFile(`${kind}.mask.png`)), by);
    const agreement = mean(mask.data.map((label, i) => Number(label === labelled[i])));
    assert.ok(agreement > 0.98, `masks agree in ${agreement}`);
  });
}

// With these seeds the ground is above the lowest heights of the camera.
for (const [kind, seed] of [['valley', 51], ['peaks', 31], ['peaks', 64]] as const) {
  test(`scene ${kind} ${seed}: the camera is above the ground`, async () => {
    const { mask } = await draw(kind, seed, 1);
    for (const label of [labels.sky, labels.ground, labels.water]) {
      assert.ok(mean(mask.data.map((l) => Number(l === label))) > 0.05, `label ${label} is nearly absent`);
    }
  });
}

test('scenes: a green valley under a blue sky, and violet snow', async () => {
  const [valley, peaks] = [await committedScene('valley'), await committedScene('peaks')];
  const [red, green, blue] = meanColour(valley, labels.ground);
  assert.ok(green! > 1.2 * red! && green! > 1.2 * blue!, `ground of the valley ${red}, ${green}, ${blue}`);
  const [snowRed, snowGreen, snowBlue] = meanColour(peaks, labels.ground);
  assert.ok(snowBlue! > snowRed! && snowRed! > snowGreen!, `ground of the peaks ${snowRed}, ${snowGreen}, ${snowBlue}`);
  assert.ok(meanColour(valley, labels.sky)[2]! > meanColour(valley, labels.sky)[0]!);
  assert.ok(meanColour(peaks, labels.sky)[0]! > meanColour(peaks, labels.sky)[1]!);
});

test.run();
