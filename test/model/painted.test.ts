/** What a warm start aims at: matches and colours against plain loops, regions, and runs that aim at it. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createEngine, type Engine } from '../../engine/index.js';
import { layoutOf, rolesOf } from '../../model/generators/parameters.js';
import type { Image } from '../../model/image.js';
import { defaultOptions, published, type SpliceOptions } from '../../model/method/options.js';
import { inPatchColours, paintedStructure } from '../../model/method/painted.js';
import { recipes } from '../../model/method/recipes.js';
import type { Labels } from '../../model/method/regions.js';
import { patchFeatures } from '../../model/study/patches.js';
import { pairSetting, startSplice, type PairMore } from '../../model/training/pair.js';
import type { TrainingState } from '../../model/training/run.js';
import { writePhotos } from '../../model/training/steps.js';
import { keyBlocks } from '../../model/vit/config.js';
import { uploadVit } from '../../model/vit/vit.js';
import { assertClose } from '../helpers/check.js';
import { testDevice } from '../helpers/device.js';
import { testImage } from '../helpers/golden.js';
import { formulaVit } from '../helpers/models.js';

const vit = formulaVit('probe8', 'painted', 0.5);
const image = (name: string, height: number, width: number): Image => ({ width, height, data: testImage(name, height, width) });
/** As large as the ViT's input, so that its patches are those of the photos. */
const [structure, appearance] = [image('painted.a', 48, 64), image('painted.b', 48, 56)];
const options: SpliceOptions = { ...defaultOptions, ...published, vitSize: 48, warmStart: 40, warmLook: 1, steps: 100 };

async function withEngine<T>(use: (engine: Engine) => Promise<T>): Promise<T> {
  const engine = createEngine(await testDevice(), { poison: true });
  try {
    return await use(engine);
  } finally {
    engine.destroy();
  }
}

/** The painted structure of a pair on a device of its own. */
const painted = (change: Partial<SpliceOptions> = {}, look = appearance, more: PairMore = {}): Promise<Image> =>
  withEngine((engine) => {
    const setting = pairSetting(vit, structure, look, { ...options, ...change }, more);
    uploadVit(engine, setting.vit);
    writePhotos(engine, setting);
    return paintedStructure(engine, setting, structure);
  });

/** Mean colours of patches, [rows * columns, 3]. */
function patchMeans({ width, height, data }: Image): Float64Array {
  const [rows, columns] = [height / 8, width / 8];
  const means = new Float64Array(3 * rows * columns);
  data.forEach((v, i) => {
    const [c, y, x] = [Math.floor(i / (width * height)), Math.floor(i / width) % height, i % width];
    means[3 * (Math.floor(y / 8) * columns + Math.floor(x / 8)) + c]! += v / 64;
  });
  return means;
}

/** The colours that the structure's patches get, in double precision: softmax of mean cosines over 0.02. */
function wantedColours(keys: readonly (readonly [Float32Array, Float32Array])[], given: Float64Array): Float64Array {
  const C = vit.config.dim;
  const rowsOf = (all: Float32Array, mean: readonly number[]): number[][] =>
    Array.from({ length: all.length / C - 1 }, (_, i) => {
      const row = [...all.subarray((i + 1) * C, (i + 2) * C)].map((v, c) => v - mean[c]!);
      return row.map((v) => v / Math.hypot(...row));
    });
  const cosines = keys.map(([a, b]) => {
    const all = [...a.subarray(C), ...b.subarray(C)];
    const mean = Array.from({ length: C }, (_, c) =>
      (C / all.length) * all.reduce((sum, v, i) => sum + (i % C === c ? v : 0), 0));
    const [x, y] = [rowsOf(a, mean), rowsOf(b, mean)];
    return x.map((p) => y.map((q) => p.reduce((sum, v, c) => sum + v * q[c]!, 0)));
  });
  return Float64Array.from(cosines[0]!.flatMap((_, i) => {
    const near = cosines[0]![i]!.map((__, j) => cosines.reduce((sum, of) => sum + of[i]![j]!, 0) / cosines.length);
    const weights = near.map((v) => Math.exp((v - Math.max(...near)) / 0.02));
    const total = weights.reduce((a, b) => a + b);
    return [0, 1, 2].map((c) => weights.reduce((sum, w, j) => sum + (w / total) * given[3 * j + c]!, 0));
  }));
}

test('every patch gets the colours of the patches whose keys match its own', async () => {
  const blocks = keyBlocks(vit.config);
  assert.is(blocks.length, 2);
  const keys = await withEngine(async (engine) => {
    uploadVit(engine, vit);
    const [a, b] = [await patchFeatures(engine, vit, structure, 48, blocks, ['keys']),
      await patchFeatures(engine, vit, appearance, 48, blocks, ['keys'])];
    return blocks.map((block) => [a(block, 'keys').data, b(block, 'keys').data] as const);
  });
  const wanted = wantedColours(keys, patchMeans(appearance));
  const right = inPatchColours(structure, {
    patch: [8, 8], columns: 8, own: Float32Array.from(patchMeans(structure)), wanted: Float32Array.from(wanted),
  });
  const made = await painted();
  assertClose('painted', made.data, right.data, 1e-4);
  const half = await painted({ warmLook: 0.5 });
  assertClose('half', half.data, structure.data.map((v, i) => (v + made.data[i]!) / 2), 1e-6);
});

test('new colours end at an edge, also within a patch, and what is finer than patches stays', () => {
  const [width, height, edge] = [32, 16, 13];
  const fine = (x: number, y: number): number => 0.02 * ((x + y) % 2) - 0.01;
  const picture = (left: readonly number[], right: readonly number[]): Image => ({
    width, height,
    data: Float32Array.from({ length: 3 * width * height }, (_, i) => {
      const [c, y, x] = [Math.floor(i / (width * height)), Math.floor(i / width) % height, i % width];
      return (x < edge ? left : right)[c]! + fine(x, y);
    }),
  });
  const [before, after] = [[[0.8, 0.2, 0.2], [0.1, 0.3, 0.7]], [[0.2, 0.6, 0.3], [0.9, 0.8, 0.4]]] as const;
  const cells = ([left, right]: readonly (readonly number[])[]): Float32Array =>
    Float32Array.from({ length: 3 * 2 * 8 }, (_, i) => (Math.floor(i / 3) % 8 < edge / 4 ? left! : right!)[i % 3]!);
  // The patch in columns 12 to 15 has both colours, and counts as the left one.
  const made = inPatchColours(picture(...before), { patch: [8, 4], columns: 8, own: cells(before), wanted: cells(after) });
  assertClose('painted', made.data, picture(...after).data, 1e-5);
});

test('a region gets the colours of its partner alone, from whichever appearance photo it is in', async () => {
  const labels = (width: number, at: (x: number) => number): Labels =>
    ({ width, height: 48, data: Uint8Array.from({ length: 48 * width }, (_, i) => at(i % width)) });
  const flat = (width: number, colour: (x: number) => readonly number[]): Image => ({
    width, height: 48,
    data: Float32Array.from({ length: 3 * 48 * width }, (_, i) =>
      colour(i % width)[Math.floor(i / (48 * width))]! + 0.05 * appearance.data[i % appearance.data.length]!),
  });
  const [red, blue, green] = [[0.8, 0.1, 0.1], [0.1, 0.1, 0.8], [0.1, 0.8, 0.1]] as const;
  const strongest = ({ data }: Image, x: number): number => {
    const at = 24 * 64 + x;
    const channels = [0, 1, 2].map((c) => data[c * 48 * 64 + at]!);
    return channels.indexOf(Math.max(...channels));
  };
  const halves = labels(64, (x) => (x < 32 ? 1 : 2));
  const both = flat(56, (x) => (x < 24 ? blue : red));
  const one = await painted({}, both, {
    regions: { count: 2, structure: halves, appearances: [labels(56, (x) => (x < 24 ? 2 : 1))] },
  });
  assert.equal([strongest(one, 8), strongest(one, 56)], [0, 2]);
  const two = await painted({}, flat(56, () => red), {
    looks: [flat(48, () => green)],
    regions: { count: 2, structure: halves, appearances: [labels(56, () => 2), labels(48, () => 1)] },
  });
  assert.equal([strongest(two, 8), strongest(two, 56)], [1, 0]);
});

/** The run, the states after some of its steps, and its picture. */
async function run(
  change: Partial<SpliceOptions>, steps: number, more: PairMore = {}, from?: TrainingState,
): Promise<{ readonly state: TrainingState; readonly picture: Image }> {
  return withEngine(async (engine) => {
    const splice = await startSplice(engine, vit, structure, appearance, { ...options, ...change }, from, more);
    for (let i = 0; i < steps; i++) await splice.step();
    const [state, picture] = [await splice.state(), await splice.result()];
    assert.ok(splice.memory.total >= engine.buffers.heldBytes(), 'the estimate counts what it needs');
    splice.destroy();
    return { state, picture };
  });
}

/** Of a flat array, the elements that belong to parameters. */
const roles = rolesOf(layoutOf(recipes.splice.generator()));
const used = (data: Float32Array): Float32Array => data.filter((_, i) => roles[i] === 0);

const distance = (a: Image, b: Image): number => a.data.reduce((sum, v, i) => sum + Math.abs(v - b.data[i]!), 0) / a.data.length;

test('warm-look: the generator learns to paint the structure photo so', async () => {
  const aim = await painted();
  const [plain, looking] = [(await run({ warmLook: 0 }, 40)).picture, (await run({}, 40)).picture];
  const [without, away] = [distance(plain, aim), distance(looking, aim)];
  assert.ok(away < 0.9 * without, `${away} from the aim, and ${without} without it`);
});

test('Adam\'s means are cleared after a warm start that aims at the look', async () => {
  for (const [warmLook, isNew] of [[1, true], [0, false]] as const) {
    const { state: { arrays } } = await run({ warmLook, warmStart: 3 }, 4);
    const [last, variance] = ['momentum', 'variance'].map((name) => used(arrays.get(name)!)) as [Float32Array, Float32Array];
    const squares = last.map((v) => 0.01 * v * v); // no mean of gradients: it is the last one
    const largest = variance.reduce((a, b) => Math.max(a, b));
    assert.is(variance.every((v, i) => Math.abs(v - squares[i]!) < 1e-4 * largest), isNew);
  }
});

test('a sequence has an aim for each frame, and continues bit-identically from within the warm start', async () => {
  const frames = [structure, image('painted.c', 48, 64)];
  const whole = await run({}, 8, { frames });
  const { state } = await run({}, 3, { frames });
  const continued = await run({}, 5, { frames }, state);
  assert.equal([...continued.picture.data], [...whole.picture.data]);
  const single = await run({}, 8);
  assert.not.equal([...single.picture.data], [...whole.picture.data]);
});

test.run();
