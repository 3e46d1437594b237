/** Regions: the labels of tokens and the losses against plain loops, and a run that sees them. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createEngine, type Tensor } from '../../engine/index.js';
import { defaultOptions, published, type SpliceOptions } from '../../model/method/options.js';
import {
  colourValues, regionColoursLoss, regionPatchesLoss, regionsLoss, regionValues, tokenLabels, type Labels,
} from '../../model/method/regions.js';
import { startSplice, type PairMore } from '../../model/training/pair.js';
import type { VitFeatures } from '../../model/vit/vit.js';
import { checkOp } from '../helpers/check.js';
import { testDevice } from '../helpers/device.js';
import { testImage } from '../helpers/golden.js';
import { formulaVit } from '../helpers/models.js';

const labelled = (width: number, height: number, at: (y: number, x: number) => number): Labels =>
  ({ width, height, data: Uint8Array.from({ length: width * height }, (_, i) => at(Math.floor(i / width), i % width)) });

test('a token has the region that most of its pixels have, in the whole picture and in a crop', () => {
  const whole = labelled(23, 17, (y, x) => (Math.floor(x / 5) + Math.floor(y / 3)) % 4);
  /** As many pixels as the ViT sees, so every sample is in a pixel. @param at label of row y and column x */
  const plain = (side: number, at: (y: number, x: number) => number): number[] => {
    const [rows, columns] = [Math.floor(side / 4), Math.floor(side / 4)];
    return Array.from({ length: rows * columns }, (_, token) => {
      const found = Array.from({ length: 4 }, () => 0);
      for (let y = 0; y < 4; y++) {
        for (let x = 0; x < 4; x++) found[at(Math.floor(token / columns) * 4 + y, (token % columns) * 4 + x)]!++;
      }
      return found.indexOf(Math.max(...found));
    });
  };
  const at = (y: number, x: number): number => whole.data[y * 23 + x]!;
  const grid = (side: number) => ({ input: [side, side] as const, patch: 4 });
  for (const flip of [0, 1]) {
    const crop = { size: 14, at: [2, 5, flip] as const };
    const right = plain(14, (y, x) => at(2 + y, 5 + (flip ? 13 - x : x)));
    assert.equal([...tokenLabels(whole, grid(14), crop)], right, `flip ${flip}`);
  }
  assert.equal([...tokenLabels(labelled(17, 17, at), grid(17))], plain(17, at));
  // Twice as many pixels as the ViT sees, and half as many.
  for (const scale of [2, 0.5]) {
    const [width, height] = [20 * scale, 12 * scale];
    const quarters = labelled(width, height, (y, x) => (x < width / 2 ? 1 : 2) + Number(y < height / 2));
    const labels = tokenLabels(quarters, { input: [12, 20], patch: 2 });
    assert.equal([...labels.subarray(0, 10)], [2, 2, 2, 2, 2, 3, 3, 3, 3, 3]);
    assert.equal([...labels.subarray(50)], [1, 1, 1, 1, 1, 2, 2, 2, 2, 2]);
  }
});

const C = 6;
/** A region that one picture lacks, tokens without a region, and a region of one token. */
const CASES: Readonly<Record<string, readonly [made: number[], given: number[]]>> = {
  'all are shown': [[1, 1, 2, 2, 2, 1, 2], [2, 1, 1, 2, 1]],
  'some have none': [[0, 1, 2, 0, 2, 1, 1, 3], [3, 1, 0, 2, 1]],
  'one is not shown': [[1, 2, 3, 0, 3, 1], [1, 1, 1, 0]],
  'none is shown': [[1, 1, 1], [2, 2, 3, 3]],
};

const row = (x: Float64Array, i: number): number[] => [...x.subarray(i * C, (i + 1) * C)];
const distance = (x: readonly number[], y: readonly number[]): number => {
  const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, v, i) => sum + v * b[i]!, 0);
  return 1 - dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y));
};
const indices = (labels: readonly number[], region: number): number[] =>
  labels.flatMap((label, i) => (label === region ? [i] : []));
const mean = (values: readonly number[]): number => values.reduce((sum, v) => sum + v, 0) / Math.max(1, values.length);

/** Points of a cube's surface with coordinates of -1, 0 and 1, the first one that is not 0 being 1: one of opposite ones. */
const directions = Array.from({ length: 27 }, (_, i) => [Math.floor(i / 9) - 1, (Math.floor(i / 3) % 3) - 1, (i % 3) - 1])
  .filter((point) => point.find((v) => v !== 0) === 1);
const corners = Array.from({ length: 8 }, (_, i) => [i >> 2, (i >> 1) & 1, i & 1]);

/** The mean difference of the shares beyond 16 thresholds, which are even from the least to the largest of `range`. */
function beyondDistance(a: readonly number[], b: readonly number[], range: readonly number[]): number {
  const [low, high] = [Math.min(...range), Math.max(...range)];
  const step = (high - low) / 16;
  const share = (values: readonly number[], threshold: number): number =>
    mean(values.map((v) => 1 / (1 + Math.exp((2 * (threshold - v)) / step))));
  const all = Array.from({ length: 16 }, (_, i) => low + step * (i + 0.5));
  return mean(all.map((threshold) => Math.abs(share(a, threshold) - share(b, threshold))));
}

for (const [name, [made, given]] of Object.entries(CASES)) {
  const count = 3;
  const values = regionValues(Uint8Array.from(made), Uint8Array.from(given), count);
  const inputsOf = ({ graph }: Tensor) => (key: string, shape: readonly number[]): Tensor => graph.constant(values[key]!, shape);

  test(`the look of regions: ${name}`, () => checkOp({
    inputs: { x: [1, made.length, C], y: [1, given.length, C], clsX: [1, 1, C], clsY: [1, 1, C] },
    build: ({ x, y, clsX, clsY }) => {
      const features = (patches: Tensor, cls: Tensor): VitFeatures => ({ patches, cls, keys: cls, layerKeys: [] });
      return regionsLoss(inputsOf(x!), features(x!, clsX!), features(y!, clsY!), count);
    },
    reference: ({ x, y, clsX, clsY }) => {
      const shown = [1, 2, 3].filter((region) => made.includes(region) && given.includes(region));
      const meanOf = (t: Float64Array, labels: number[], region: number, c: number): number =>
        mean(indices(labels, region).map((i) => row(t, i)[c]!));
      const ofRegion = (region: number): number =>
        mean(Array.from({ length: C }, (_, c) => (meanOf(x!, made, region, c) - meanOf(y!, given, region, c)) ** 2));
      const free = indices(made, 0).length / made.length;
      const ofCls = mean([...clsX!].map((v, c) => (v - clsY![c]!) ** 2));
      return [(1 - free) * mean(shown.map(ofRegion)) + free * ofCls];
    },
  }));

  const plainPatches = (between: (i: number, j: number) => number): number[] => {
    const way = (of: number[], other: number[], between: (i: number, j: number) => number): number =>
      mean(of.flatMap((label, i) => {
        const partners = other.flatMap((its, j) => (label === 0 || its === label ? [between(i, j)] : []));
        return partners.length > 0 ? [Math.min(...partners)] : [];
      }));
    return [Math.max(way(made, given, between), way(given, made, (j, i) => between(i, j)))];
  };

  test(`the patches of regions: ${name}`, () => checkOp({
    inputs: { x: [1, made.length, C], y: [1, given.length, C] },
    build: ({ x, y }) => regionPatchesLoss(inputsOf(x!), { patches: x! }, { patches: y! }, count, 0),
    reference: ({ x, y }) => plainPatches((i, j) => distance(row(x!, i), row(y!, j))),
  }));

  test(`the patches of regions with their colours: ${name}`, () => checkOp({
    inputs: { x: [1, made.length, C], y: [1, given.length, C], p: [made.length, C], q: [given.length, C] },
    build: ({ x, y, p, q }) =>
      regionPatchesLoss(inputsOf(x!), { patches: x!, colours: p! }, { patches: y!, colours: q! }, count, 20),
    reference: ({ x, y, p, q }) => plainPatches((i, j) =>
      distance(row(x!, i), row(y!, j)) + 20 * mean(row(p!, i).map((v, c) => (v - row(q!, j)[c]!) ** 2))),
  }));

  test(`the colours of regions: ${name}`, () => checkOp({
    inputs: { x: [1, 3, 1, made.length], y: [1, 3, given.length, 1] },
    build: ({ x, y }) => {
      const means = colourValues(Uint8Array.from(made), Uint8Array.from(given), count);
      return regionColoursLoss((key, shape) => x!.graph.constant(means[key]!, shape), x!, y!, count);
    },
    reference: ({ x, y }) => {
      const shown = [1, 2, 3].filter((region) => made.includes(region) && given.includes(region));
      const along = (t: Float64Array, i: number, direction: readonly number[]): number =>
        direction.reduce((sum, v, c) => sum + v * t[(c * t.length) / 3 + i]!, 0);
      const ofRegion = (region: number): number => {
        const both = (direction: readonly number[]) => ([[x!, made], [y!, given]] as const).map(([t, labels]) =>
          indices(labels, region).map((i) => along(t, i, direction))) as [number[], number[]];
        const shares = directions.map((direction) =>
          beyondDistance(...both(direction), corners.map((corner) => along(Float64Array.from(corner), 0, direction))));
        const means = [[1, 0, 0], [0, 1, 0], [0, 0, 1]].map(both).map(([a, b]) => Math.abs(mean(a) - mean(b)));
        return mean(shares) + mean(means);
      };
      return [39 * (1 - indices(made, 0).length / made.length) * mean(shown.map(ofRegion))];
    },
  }));
}

const vit = formulaVit('probe8', 'regions', 0.5);
const image = (name: string, height: number, width: number) => ({ width, height, data: testImage(name, height, width) });
const [structure, appearance, other] = [image('regions.a', 40, 48), image('regions.b', 42, 40), image('regions.c', 44, 40)];
/** The upper half of a picture is region 1, the lower one 2. */
const halves = ({ width, height }: { width: number; height: number }, upper = 1, lower = 2): Labels =>
  labelled(width, height, (y) => (y < height / 2 ? upper : lower));
const regions = { count: 2, structure: halves(structure), appearances: [halves(appearance)] };

/** Losses of some steps, and pipelines and memory after `settled` of them and at the end. */
async function run(steps: number, more: PairMore | undefined, settled = 0, change: Partial<SpliceOptions> = {}) {
  const engine = createEngine(await testDevice(), { poison: true });
  const options = { ...defaultOptions, ...published, vitSize: 32, lambdaPatches: 2, lambdaColours: 30, ...change };
  const splice = await startSplice(engine, vit, structure, appearance, options, undefined, more);
  const losses = [];
  const held: (readonly [number, number])[] = [];
  for (let i = 0; i < steps; i++) {
    await splice.step();
    losses.push(await splice.losses());
    if (i === settled || i === steps - 1) held.push([engine.pipelines.size(), engine.buffers.heldBytes()]);
  }
  assert.ok(splice.memory.total >= engine.buffers.heldBytes(), 'the estimate counts what they need');
  splice.destroy();
  engine.destroy();
  return { losses, held };
}

for (const recipe of ['splice', 'splice-transfer'] as const) {
  test(`${recipe}: regions change appearance, patches and colours alone, and new crops create no pipelines`, async () => {
    const change = { recipe };
    const [without, within] = [await run(1, undefined, 0, change), await run(24, { regions }, 12, change)];
    const [a, b] = [without.losses[0]!, within.losses[0]!];
    assert.equal([b['structure'], b['identity']], [a['structure'], a['identity']]);
    assert.not.equal(b['appearance'], a['appearance']);
    for (const term of ['patches', 'colours']) assert.not.equal(b[term], a[term]);
    assert.equal(within.held[1], within.held[0]);
    assert.equal((await run(2, { regions }, 0, change)).losses, within.losses.slice(0, 2), 'the same again');
  });
}

test('pictures without labels are those without regions', async () => {
  const none = { count: 2, structure: halves(structure, 0, 0), appearances: [halves(appearance, 0, 0)] };
  const [without, free] = [await run(3, undefined), await run(3, { regions: none })];
  for (const [step, losses] of without.losses.entries()) {
    for (const [name, value] of Object.entries(losses)) {
      const found = free.losses[step]![name]!;
      assert.ok(Math.abs(found - value) <= 1e-3 * Math.abs(value), `step ${step}: ${name} is ${found}, without regions ${value}`);
    }
  }
});

test('several appearance photos take turns', async () => {
  const more = { looks: [other], regions: { ...regions, appearances: [halves(appearance, 1, 1), halves(other, 2, 2)] } };
  const { losses, held } = await run(24, more, 12);
  const [alone] = (await run(1, { regions: { ...more.regions, appearances: [more.regions.appearances[0]!] } })).losses;
  assert.equal(losses[0], alone, 'the first step sees the first photo');
  assert.equal(held[1], held[0]);
});

test.run();
