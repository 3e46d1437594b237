/** What self-distillation draws and schedules, without a GPU. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Bitmap } from '../../model/image.js';
import { drawCrop, selfDistillationCrops } from '../../model/pretraining/augment.js';
import { blurred } from '../../model/pretraining/blur.js';
import { jitterOrder, solarize } from '../../model/pretraining/colour.js';
import { optionsProblem, pretrainDefaults, vitConfigOf, type PretrainOptions } from '../../model/pretraining/options.js';
import { settingsAt } from '../../model/pretraining/schedules.js';
import { initialWeights, networkLayout, networkRoles } from '../../model/pretraining/student.js';
import { random } from '../../model/random.js';
import { resampled } from '../../model/resample.js';
import { assertClose } from '../helpers/check.js';
import { golden, testImage } from '../helpers/golden.js';

const photo = testImage('golden.photo', 37, 53);
const bitmap: Bitmap = { width: 53, height: 37, data: Uint8Array.from(photo, (v) => Math.round(255 * v)) };
const whole = { left: 0, top: 0, width: 53, height: 37 };

test('colour jitter on the CPU, golden', () => {
  const pixels = Float32Array.from(photo);
  jitterOrder(pixels, [2, 0, 3, 1], [1.3, 0.7, 1.15, -0.07]);
  assertClose('jitter', pixels, golden('ops').get('jitter').data, 1e-5);
});

test('reducing a photo is antialiased bicubic resampling, golden', () => {
  const expected = golden('ops').get('resize_bicubic_24_antialias').data;
  assertClose('resample', resampled(bitmap, whole, 24, false), expected, 0.004); // of 8 bits
});

test('enlarging a photo interpolates, and a flip mirrors', () => {
  assertClose('enlarge', resampled(bitmap, whole, 64, false), golden('ops').get('resize_bicubic_64_antialias').data, 0.006);
  const [plain, mirrored] = [resampled(bitmap, whole, 16, false), resampled(bitmap, whole, 16, true)];
  plain.forEach((v, i) => assert.is(mirrored[i - (i % 16) + 15 - (i % 16)], v));
});

test('a box is what is resampled', () => {
  const data = Uint8Array.from({ length: 3 * 8 * 8 }, (_, i) => (i % 8 >= 4 && Math.floor(i / 8) % 8 < 4 ? 255 : 0));
  const corner = resampled({ width: 8, height: 8, data }, { left: 4, top: 0, width: 4, height: 4 }, 6, false);
  assert.ok(corner.every((v) => v === 1), 'nothing from outside the box leaks in');
});

test('blur keeps flat pictures and the sum of a point, and spreads it as a Gaussian', () => {
  const flat = new Float32Array(3 * 81).fill(0.3);
  blurred(flat, 9, 1.2);
  assert.ok(flat.every((v) => Math.abs(v - 0.3) < 1e-6));
  const point = new Float32Array(3 * 441);
  point[220] = 1;
  blurred(point, 21, 1.5);
  assert.ok(Math.abs(point.reduce((a, b) => a + b, 0) - 1) < 1e-5);
  assert.ok(Math.abs(point[221]! / point[220]! - Math.exp(-1 / (2 * 1.5 ** 2))) < 1e-5);
  assert.ok(point.subarray(441).every((v) => v === 0), 'channels do not mix');
});

test('solarise turns the bright half into its negative', () => {
  const p = Float32Array.of(0, 0.25, 0.5, 0.75, 1);
  solarize(p);
  assert.equal(p, Float32Array.of(0, 0.25, 0.5, 0.25, 0));
});

const sizes = { imageSize: 16, localSize: 8, locals: 2, globalScale: [0.4, 1], localScale: [0.05, 0.4] } as const;
const kinds = selfDistillationCrops(sizes);

test('crops: their sizes, within 0..1, the same for the same draw', () => {
  for (let index = 0; index < 4; index++) {
    for (let n = 0; n < 40; n++) {
      const crop = drawCrop(random(1, n, index), bitmap, kinds[index]!);
      assert.is(crop.length, 3 * (index < 2 ? 16 : 8) ** 2);
      assert.ok(crop.every((v) => v >= 0 && v <= 1));
      if (n < 3) assert.equal(drawCrop(random(1, n, index), bitmap, kinds[index]!), crop);
    }
  }
});

test('crops: local ones see less of a photo than global ones, and colours change', () => {
  // In a ramp from black to white the range of a crop without changes of colour is its width.
  const ramp: Bitmap = { width: 64, height: 64, data: Uint8Array.from({ length: 3 * 4096 }, (_, i) => 4 * (i % 64)) };
  const range = (index: number): number => {
    const ranges = Array.from({ length: 200 }, (_, n) => {
      const crop = drawCrop(random(2, n, index), ramp, kinds[index]!);
      return Math.max(...crop) - Math.min(...crop);
    });
    return ranges.reduce((a, b) => a + b, 0) / ranges.length;
  };
  assert.ok(range(2) < 0.75 * range(0), `${range(2)} and ${range(0)}`);
  const isGrey = (crop: Float32Array): boolean => crop.subarray(0, 256).every((v, i) => Math.abs(v - crop[256 + i]!) < 1e-6);
  const crops = Array.from({ length: 400 }, (_, n) => drawCrop(random(3, n), bitmap, kinds[0]!));
  const grey = crops.filter(isGrey).length / 400;
  assert.ok(grey > 0.13 && grey < 0.27, `one in five is grey: ${grey}`);
});

const options: PretrainOptions = {
  ...pretrainDefaults, batch: 64, lr: 0.001, epochs: 10, warmupEpochs: 2, freezeLastLayer: 1, teacherWarmupEpochs: 4,
};

test('schedules: warm-up, cosine, and what is held still', () => {
  const at = (step: number) => settingsAt(step, 5, options);
  assert.is(at(0).lr, 0);
  assert.ok(Math.abs(at(9).lr - 0.00025) < 1e-12, 'a quarter of the rate for a quarter of 256 photos');
  assert.ok(Math.abs(at(10).lr - 0.00025) < 1e-12);
  assert.ok(Math.abs(at(30).lr - (1e-6 + 0.5 * (0.00025 - 1e-6))) < 1e-9, 'half way down');
  assert.ok(at(49).lr < 2e-6 && at(49).lr > 1e-6);
  assert.ok(Math.abs(at(0).weightDecay - 0.04) < 1e-12);
  assert.ok(Math.abs(at(25).weightDecay - 0.22) < 1e-12);
  assert.ok(Math.abs(at(0).momentum - 0.996) < 1e-12);
  assert.ok(at(49).momentum > 0.9999 && at(49).momentum < 1);
  assert.equal([0, 4, 5, 15, 49].map((s) => Number(at(s).teacherTemp.toFixed(6))), [0.04, 0.04, 0.05, 0.07, 0.07]);
  assert.equal([0, 4, 5, 6].map((s) => at(s).lateStep), [-4, 0, 1, 2]);
});

test('schedules: a warm-up as long as the whole run, and none', () => {
  assert.ok(Number.isFinite(settingsAt(9, 1, { ...options, epochs: 10, warmupEpochs: 20 }).lr));
  assert.ok(Math.abs(settingsAt(0, 1, { ...options, warmupEpochs: 0 }).lr - 0.00025) < 1e-12);
});

test('options that make no ViT are named', () => {
  assert.is(optionsProblem(pretrainDefaults), undefined);
  assert.match(optionsProblem({ ...pretrainDefaults, heads: 5 })!, /width of 128 is not divisible by 5 heads/);
  assert.match(optionsProblem({ ...pretrainDefaults, imageSize: 60 })!, /60 is not divisible by patches of 8/);
  assert.match(optionsProblem({ ...pretrainDefaults, otherSizes: [96, 100] })!, /100 is not divisible by patches of 8/);
  assert.match(optionsProblem({ ...pretrainDefaults, localSize: 20 })!, /20 is not divisible by patches of 8/);
  assert.is(optionsProblem({ ...pretrainDefaults, teacher: 'vit_mini8', localSize: 20 }), undefined,
    'there are no local crops then');
});

test('roles: biases and norms do not decay, the last layer comes late, gaps are gaps', () => {
  const layout = networkLayout({ ...pretrainDefaults, dim: 12, heads: 3, depth: 1, prototypes: 7, bottleneck: 5 });
  const roles = networkRoles(layout);
  const roleOf = (name: string): number => {
    const { offset, shape } = layout.slices.find((s) => s.name === name)!;
    const own = new Set(roles.subarray(offset, offset + shape.reduce((a, b) => a * b, 1)));
    assert.is(own.size, 1);
    return [...own][0]!;
  };
  for (const name of ['blocks.0.attn.qkv.bias', 'norm.weight', 'head.mlp.4.bias', 'patch_embed.proj.bias']) {
    assert.is(roleOf(name), 0, name);
  }
  for (const name of ['pos_embed', 'cls_token', 'patch_embed.proj.weight', 'blocks.0.mlp.fc1.weight', 'head.mlp.0.weight']) {
    assert.is(roleOf(name), 1, name);
  }
  assert.is(roleOf('head.last_layer.weight_v'), 2);
  const used = layout.slices.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  assert.is(roles.filter((r) => r === -1).length, layout.size - used);
});

test('initial weights: the same for the same seed, matrices as wide as their inputs ask', () => {
  const layout = networkLayout(pretrainDefaults);
  const [a, b, c] = [initialWeights(layout, 1), initialWeights(layout, 1), initialWeights(layout, 2)];
  const deviation = (name: string): number =>
    Math.sqrt(a.get(name)!.data.reduce((s, v) => s + v * v, 0) / a.get(name)!.data.length);
  assert.equal(a.get('cls_token'), b.get('cls_token'));
  assert.not.equal(a.get('cls_token'), c.get('cls_token'));
  // 0.88 is the root of 0.774, the variance of a normal that is cut at two deviations.
  assert.ok(Math.abs(deviation('blocks.3.mlp.fc2.weight') * Math.sqrt(512) - 0.88) < 0.02, 'cut at two deviations');
  assert.ok(Math.abs(deviation('cls_token') / 0.02 - 0.88) < 0.02);
  const { data } = a.get('pos_embed')!;
  const token = (i: number): Float32Array => data.subarray(i * 128, (i + 1) * 128);
  assert.ok(token(0).every((v) => v === 0));
  const near = [0, 1].map((c) => Math.abs(token(1 + 8 * 3 + 5)[c]! - 0.5 * Math.sin([3, 5][c]!)));
  assert.ok(near.every((v) => v < 1e-6), 'row 3, column 5');
  assert.equal(new Set(Array.from({ length: 64 }, (_, i) => token(1 + i).join())).size, 64, 'no two places are alike');
  assert.equal(new Set(a.get('norm.weight')!.data), new Set([1]));
  assert.equal(new Set(a.get('blocks.0.norm1.bias')!.data), new Set([0]));
  assert.equal(vitConfigOf(pretrainDefaults).hidden, 512);
});

test.run();
