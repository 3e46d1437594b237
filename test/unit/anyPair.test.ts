/** A generator for any pair without a GPU: conditions, its file, retrieval, held-out photos, sheets. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { holdOut, type TrainPhoto } from '../../cli/train/photos.js';
import { grid } from '../../cli/photos/grid.js';
import { conditionScale, mixed, normalised } from '../../model/anyPair/condition.js';
import { fromAnyPairFile, toAnyPairFile, type AnyPairSetup } from '../../model/anyPair/file.js';
import { defaultSizes } from '../../model/anyPair/options.js';
import { retrieved } from '../../model/anyPair/retrieval.js';
import { centralSquare } from '../../model/squares.js';
import { conditionalUnet } from '../../model/generators/conditional.js';
import { kaimingUniform } from '../../model/generators/parameters.js';
import { random } from '../../model/random.js';
import { parseSafetensors, serializeSafetensors } from '../../model/files/safetensors.js';

const f = (...values: number[]): Float32Array => Float32Array.from(values);

test('conditions have mean 0 and deviation 1 over the photos; a channel that never varies becomes 0', () => {
  const tokens = [f(1, 5, 10), f(3, 5, 30), f(5, 5, 80)];
  const conditions = tokens.map((t) => normalised(t, conditionScale(tokens)));
  for (const i of [0, 2]) {
    const column = conditions.map((c) => c[i]!);
    assert.ok(Math.abs(column.reduce((a, b) => a + b)) < 1e-5);
    assert.ok(Math.abs(column.reduce((a, b) => a + b * b, 0) / 3 - 1) < 1e-5);
  }
  assert.ok(conditions.every((c) => c[1] === 0));
});

test('a mix lies between its conditions, and its ends are they themselves', () => {
  const [a, b] = [f(0, 4), f(8, -4)];
  assert.equal([...mixed([a, b], [1, 0])], [0, 4]);
  assert.equal([...mixed([a, b], [0, 1])], [8, -4]);
  assert.equal([...mixed([a, b], [0.75, 0.25])], [2, 2]);
});

test('the central square', () => {
  const wide = { width: 4, height: 2, data: f(...Array.from({ length: 24 }, (_, i) => i)) };
  assert.equal([...centralSquare(wide).data], [1, 2, 5, 6, 9, 10, 13, 14, 17, 18, 21, 22]);
});

test('retrieval counts results whose own appearance is the nearest; a tie is a miss', () => {
  const looks = [f(0, 0), f(10, 0), f(0, 10)];
  assert.is(retrieved([f(1, 1), f(9, 1), f(1, 9)], looks), 3);
  assert.is(retrieved([f(1, 1), f(1, 1), f(1, 1)], looks), 1);
  assert.is(retrieved([f(5, 0), f(9, 0), f(9, 0)], looks), 1);
});

const sizes = { ...defaultSizes, layers: 2, dim: 6, channels: [3, 3, 4, 4, 4] as const, width: 8, heads: 1, headSize: 4 };
const setup: AnyPairSetup = {
  sizes, size: 64, recipe: 'splice', vitSize: 32, antialias: true, model: { name: 'some', sha256: 'ab' },
};
const weights = kaimingUniform(conditionalUnet(sizes), random(1, 'file'));
const scale = { mean: new Float32Array(12).fill(2), deviation: new Float32Array(12).fill(3) };
const file = (change: (stored: ReturnType<typeof toAnyPairFile>) => void = () => undefined) => {
  const stored = toAnyPairFile({ setup, weights, scale });
  change(stored);
  return parseSafetensors(serializeSafetensors(stored.tensors, stored.metadata));
};

test('its file gives back what was put in', () => {
  const back = fromAnyPairFile(file());
  assert.equal(back.setup, setup);
  assert.equal([...back.scale.deviation], [...scale.deviation]);
  assert.equal([...back.weights.keys()].sort(), [...weights.keys()].sort());
  assert.equal([...back.weights.get('attend.2.key.weight')!.data], [...weights.get('attend.2.key.weight')!.data]);
});

test('files of another kind and damaged ones are refused with the reason', () => {
  const refused = (change: (stored: ReturnType<typeof toAnyPairFile>) => void, message: RegExp) =>
    assert.throws(() => fromAnyPairFile(file(change)), message);
  refused(({ metadata }) => (metadata['format'] = 'splice-gpu generator'), /generator of one pair/);
  refused(({ metadata }) => (metadata['format'] = 'x'), /it is not a "splice-gpu general generator 1"/);
  refused(({ tensors }) => tensors.delete('attend.0.out.weight'), /attend\.0\.out\.weight is missing/);
  refused(({ tensors }) => tensors.get('condition.mean')!.data.fill(NaN), /condition\.mean holds values that are not finite/);
  const refusedSizes = (change: object, message: RegExp) =>
    refused(({ metadata }) => (metadata['setup'] = JSON.stringify({ ...setup, sizes: { ...sizes, ...change } })), message);
  refusedSizes({ width: 9 }, /encoder\.fc1\.weight is \[8, 6\], expected \[9, 6\] from its sizes/);
  refusedSizes({ tokens: 'all' }, /sizes\.tokens is "all"/);
  refusedSizes({ scales: 6 }, /sizes\.scales is 6/);
});

test('held-out photos are the same for a seed, and never trained on', () => {
  const photos = Array.from({ length: 12 },
    (_, i): TrainPhoto => ({ path: `${i}.png`, sha256: String(i), width: 1, height: 1, bytes: new Uint8Array(3) }));
  const [one, again, other] = [holdOut(photos, 4, 1, 'x'), holdOut(photos, 4, 1, 'x'), holdOut(photos, 4, 2, 'x')];
  assert.equal(one, again);
  assert.not.equal(one.held, other.held);
  assert.is(one.held.length, 4);
  assert.equal([...one.held, ...one.train].map((p) => p.sha256).sort(), photos.map((p) => p.sha256).sort());
  assert.throws(() => holdOut(photos, 11, 1, 'folder'), /folder holds 12 photos: with --hold-out 11 at least 13 are needed/);
});

test('a grid has its pictures in rows and columns with gaps of white', () => {
  const flat = (value: number) => ({ width: 1, height: 1, data: new Float32Array(3).fill(value) });
  const { width, height, data } = grid([[flat(0.25), flat(0.5)], [undefined, flat(0.75)]]);
  assert.equal([width, height], [4, 4]);
  assert.equal([data[0], data[3], data[15], data[12], data[1]], [0.25, 0.5, 0.75, 1, 1]);
});

test.run();
