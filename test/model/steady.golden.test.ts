/** The losses of patches, texture and colours: against PyTorch's numbers, and against plain loops with finite differences. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { gradients, slice, type Tensor } from '../../engine/index.js';
import { coloursLoss, patchColours } from '../../model/method/colours.js';
import { patchesLoss, relaxedEmd } from '../../model/method/losses.js';
import { DIRECTIONS, drawDirections, textureLoss } from '../../model/method/texture.js';
import { random } from '../../model/random.js';
import type { VitConfig } from '../../model/vit/config.js';
import { facet, uploadVit, vitFeatures, vitLayers } from '../../model/vit/vit.js';
import { assertClose, checkOp } from '../helpers/check.js';
import { testedTunings, testEngine } from '../helpers/device.js';
import { fill, golden, testImage } from '../helpers/golden.js';
import { formulaVit } from '../helpers/models.js';

const { get, meta, tolerance } = golden('steady');
const tag: string = meta['tag'];
const filled = (name: string, shape: readonly number[], scale = 1, offset = 0) => fill(`${tag}.${name}`, shape, scale, offset);

/** Compares the loss of x, and its gradient, with the golden ones in every kernel variant. */
async function compare(
  name: string, shape: readonly number[], x: Float32Array, build: (x: Tensor) => Tensor,
  inputs: Record<string, Float32Array> = {},
): Promise<void> {
  for (const tuning of await testedTunings()) {
    const engine = await testEngine(tuning);
    const t = engine.graph().input('x', shape);
    const loss = build(t);
    const program = await engine.compile({ loss, dx: gradients(loss, [t])[0]! });
    for (const [input, data] of Object.entries({ ...inputs, x })) program.write(input, data);
    program.run();
    assertClose(name, await program.read('loss'), get(name).data, tolerance(name));
    assertClose(`gradient of ${name}`, await program.read('dx'), get(`grad.${name}`).data, tolerance(`grad.${name}`));
    program.destroy();
  }
}

test('relaxed earth mover: the way from the output is the longer one', () => compare(
  'emd.spread', [1, 19, 48], filled('spread', [19, 48]),
  (x) => relaxedEmd(x, x.graph.constant(filled('other', [7, 48]), [1, 7, 48])),
));

test('relaxed earth mover: the way to the output is the longer one', () => {
  const other = Float32Array.of(...filled('near', [5, 48], 0.2, 0.5), ...filled('far', [26, 48]));
  const build = (x: Tensor): Tensor => relaxedEmd(x, x.graph.constant(other, [1, 31, 48]));
  return compare('emd.alike', [1, 19, 48], filled('alike', [19, 48], 0.2, 0.5), build);
});

/** The distance of patches whose tokens and colours are those of a golden case. */
function goldenPatches(tokens: Tensor, input: Tensor): Tensor {
  const constant = (name: string, shape: readonly number[], scale: number): Tensor =>
    input.graph.constant(filled(`${name}.appearance`, shape, scale), shape);
  const vit = { patch: meta['patch'] as number, std: meta['std'] as VitConfig['std'] };
  return patchesLoss(
    { patches: tokens, colours: patchColours(input, vit) },
    { patches: constant('tokens', [1, 8, 48], 1), colours: patchColours(constant('input', [1, 3, 33, 23], 1.5), vit) },
    meta['patch_weight'] as number,
  );
}
const [goldenTokens, goldenInput] = [filled('tokens', [18, 48]), filled('input', [3, 30, 50], 1.5)];

test('patches with their colours: the tokens', () => compare(
  'patches.tokens', [1, 18, 48], goldenTokens, (x) => goldenPatches(x, x.graph.constant(goldenInput, [1, 3, 30, 50])),
));

test('patches with their colours: the picture', () => compare(
  'patches.colours', [1, 3, 30, 50], goldenInput, (x) => goldenPatches(x.graph.constant(goldenTokens, [1, 18, 48]), x),
));

const plus = (a: Float32Array, b: Float32Array): Float32Array => a.map((v, i) => v + b[i]!);
const appearance = plus(testImage(`${tag}.appearance`, 38, 38), filled('pattern', [3, 38, 38], 0.1));

test('colours of pictures of two sizes', () => compare(
  'colours', [1, 3, 44, 70], plus(testImage(`${tag}.output`, 44, 70), filled('grain', [3, 44, 70], 0.02)),
  (x) => coloursLoss(x, x.graph.constant(appearance, [1, 3, 38, 38])),
));

test('texture of high frequencies', () => compare(
  'texture', [1, 3, 40, 40], plus(testImage(`${tag}.output`, 40, 40), filled('grain', [3, 40, 40], 0.02)),
  (x) => textureLoss(x, x.graph.constant(appearance, [1, 3, 38, 38]), meta['side'] as number),
  { [DIRECTIONS]: filled('directions', [32, 3, 7, 7], 0.1) },
));

/** By plain loops; rows of C numbers. */
function plainEmd(x: Float64Array, y: Float64Array, C: number): number {
  const rows = (v: Float64Array): Float64Array[] =>
    Array.from({ length: v.length / C }, (_, i) => v.subarray(i * C, (i + 1) * C));
  const cosine = (a: Float64Array, b: Float64Array): number =>
    a.reduce((sum, v, i) => sum + v * b[i]!, 0) / (Math.hypot(...a) * Math.hypot(...b));
  const oneWay = (from: Float64Array[], to: Float64Array[]): number =>
    from.reduce((sum, a) => sum + Math.min(...to.map((b) => 1 - cosine(a, b))), 0) / from.length;
  return Math.max(oneWay(rows(x), rows(y)), oneWay(rows(y), rows(x)));
}

for (const [N, M, C] of [[1, 1, 3], [5, 70, 8], [33, 9, 20]] as const) {
  test(`relaxed earth mover of ${N} and ${M} tokens of ${C}, with both gradients`, () => checkOp({
    inputs: { x: [1, N, C], y: [1, M, C] },
    build: ({ x, y }) => relaxedEmd(x!, y!),
    reference: ({ x, y }) => [plainEmd(x!, y!, C)],
    tolerance: 5e-5, // 1 - cosine loses a digit
  }));
}

for (const [P, H, W] of [[4, 9, 12], [7, 14, 20]] as const) {
  test(`the mean colours of the quarters of patches of ${P} pixels in ${H} x ${W}`, () => checkOp({
    inputs: { x: [1, 3, H, W] },
    build: ({ x }) => patchColours(x!, { patch: P, std: [0.5, 2, 3] }),
    reference: ({ x }) => {
      const [rows, columns, half] = [Math.floor(H / P), Math.floor(W / P), Math.ceil(P / 2)];
      return Array.from({ length: rows * columns * 12 }, (_, i) => {
        const [patch, c, part] = [Math.floor(i / 12), Math.floor((i % 12) / 4), i % 4];
        const [top, left] = [Math.floor(patch / columns) * P, (patch % columns) * P];
        const span = (isSecond: boolean): number[] =>
          Array.from({ length: P }, (__, at) => at).filter((at) => at >= half === isSecond);
        const pixels = span(part > 1).flatMap((y) => span(part % 2 === 1).map((u) => x![(c * H + top + y) * W + left + u]!));
        return ([0.5, 2, 3][c]! * pixels.reduce((sum, v) => sum + v)) / pixels.length;
      });
    },
  }));
}

test('relaxed earth mover: the same tokens in another order are no distance apart', async () => {
  const engine = await testEngine();
  const g = engine.graph();
  const data = filled('spread', [19, 48]);
  const turned = Float32Array.from(data, (_, i) => data[((Math.floor(i / 48) + 5) % 19) * 48 + (i % 48)]!);
  const program = await engine.compile({ d: relaxedEmd(g.constant(data, [1, 19, 48]), g.constant(turned, [1, 19, 48])) });
  program.run();
  assert.ok(Math.abs((await program.read('d'))[0]!) < 1e-6);
  program.destroy();
});

test('directions have length 1, see no flat patch and no even slope, and differ from step to step', () => {
  const directions = drawDirections(random(3, 'a step'));
  for (let row = 0; row < 32; row++) {
    const direction = directions.subarray(147 * row, 147 * (row + 1));
    assert.ok(Math.abs(Math.hypot(...direction) - 1) < 1e-6);
    for (let c = 0; c < 3; c++) {
      const channel = direction.subarray(49 * c, 49 * (c + 1));
      for (const plane of [() => 1, (i: number) => i % 7, (i: number) => Math.floor(i / 7)]) {
        assert.ok(Math.abs(channel.reduce((sum, v, i) => sum + v * plane(i), 0)) < 1e-5);
      }
    }
  }
  assert.equal(drawDirections(random(3, 'a step')), directions);
  assert.not.equal(drawDirections(random(3, 'the next')), directions);
});

test('features asked for: keys of several layers and the patches after the last block, as all layers have them', async () => {
  const vit = formulaVit('probe8', 'features');
  const engine = await testEngine();
  const g = engine.graph();
  uploadVit(engine, vit);
  const x = g.constant(testImage('features', 32, 40), [1, 3, 32, 40]);
  const layers = vitLayers(g, vit, x);
  const depth = vit.config.depth;
  const { keys, cls, layerKeys, patches } = vitFeatures(g, vit, x, { keyLayers: [0, depth - 1], patches: true });
  const plain = vitFeatures(g, vit, x);
  assert.is(plain.patches, undefined);
  const last = layers.at(-1)!.tokens;
  const T = last.shape[1]!;
  const pairs: Record<string, [Tensor, Tensor]> = {
    first: [layerKeys[0]!, facet(layers[0]!, 'keys')], last: [layerKeys[1]!, facet(layers.at(-1)!, 'keys')],
    keys: [keys, plain.keys], cls: [cls, plain.cls], patches: [patches!, slice(last, 1, 1, T)],
    one: [plain.layerKeys[0]!, plain.keys],
  };
  const outputs = Object.entries(pairs).flatMap(([name, [a, b]]) => [[`${name}.a`, a], [`${name}.b`, b]] as const);
  const program = await engine.compile(Object.fromEntries(outputs));
  program.run();
  for (const name of Object.keys(pairs)) {
    assertClose(name, await program.read(`${name}.a`), await program.read(`${name}.b`), 1e-5);
  }
  program.destroy();
});

test.run();
