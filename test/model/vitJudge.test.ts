/** Figures by a ViT: what they must be for the photos themselves, and how pictures of any size are taken. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { mse } from '../../engine/index.js';
import { featuresOf } from '../../model/compare/features.js';
import { openJudge } from '../../model/compare/judge.js';
import { pairMatch } from '../../model/compare/match.js';
import type { Image } from '../../model/image.js';
import { uploadVit } from '../../model/vit/vit.js';
import { testEngine } from '../helpers/device.js';
import { testImage } from '../helpers/golden.js';
import { formulaVit } from '../helpers/models.js';

const image = (name: string, height: number, width: number): Image => ({ width, height, data: testImage(name, height, width) });
const [structure, appearance] = [image('judge.a', 48, 64), image('judge.b', 56, 40)];
const vit = formulaVit('probe8', 'judge');
const vitSize = 32;
const close = (value: number | undefined, expected: number, most = 1e-5) =>
  assert.ok(Math.abs(value! - expected) <= most, `${value} instead of ${expected}`);

test('the structure itself keeps all, the appearance itself reaches all', async () => {
  const engine = await testEngine();
  const { judge, match } = await openJudge(structure, appearance, { engine, vit, vitSize });
  const [kept, taken] = [await judge(structure), await judge(appearance)];
  assert.equal([kept.selfSimilarity, kept.segments], [0, 1]);
  close(taken.cls, 1);
  assert.ok(kept.cls! < 0.999 && taken.selfSimilarity! > 1e-4 && taken.segments! < 1);
  assert.ok(match! > 0 && match! < 1);
});

test('the self-similarity figure is the structure loss', async () => {
  const engine = await testEngine();
  const result = image('judge.c', 48, 64);
  const { judge } = await openJudge(structure, appearance, { engine, vit, vitSize });
  const keys: Float32Array[] = [];
  for (const picture of [structure, result]) keys.push((await featuresOf(engine, vit, picture, vitSize)).similarity);
  const g = engine.graph();
  const T = Math.sqrt(keys[0]!.length);
  const program = await engine.compile({ loss: mse(g.input('a', [T, T]), g.input('b', [T, T])) });
  program.write('a', keys[0]!);
  program.write('b', keys[1]!);
  program.run();
  close((await judge(result)).selfSimilarity, (await program.read('loss'))[0]!, 1e-6);
});

test('a large picture is reduced first, with nearly the same features', async () => {
  const engine = await testEngine();
  uploadVit(engine, vit);
  const [small, large] = [image('judge.a', 128, 160), image('judge.a', 512, 640)];
  const [a, b] = [await featuresOf(engine, vit, small, vitSize), await featuresOf(engine, vit, large, vitSize)];
  assert.is(a.keys.length, b.keys.length);
  assert.ok(pairMatch(a, b, vit.config.dim) > 0.9);
});

test('without a ViT there are the figures of pictures alone', async () => {
  const { judge, match } = await openJudge(structure, appearance);
  assert.is(match, undefined);
  assert.equal(Object.keys(await judge(structure)), ['structure', 'colour', 'patches', 'leak', 'sharpness']);
});

test.run();
