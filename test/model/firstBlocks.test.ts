/** A student that begins as the first blocks of its teacher: what it sees before its first step. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createEngine, normalize, type Engine } from '../../engine/index.js';
import type { Bitmap } from '../../model/image.js';
import { distillationDefaults, firstBlocksProblem, FROM_TEACHER, type PretrainOptions } from '../../model/pretraining/options.js';
import { startPretrain, type PretrainStart } from '../../model/pretraining/pretrain.js';
import type { VitConfig, VitModel } from '../../model/vit/config.js';
import { facet, uploadVit, vitLayers } from '../../model/vit/vit.js';
import { assertClose } from '../helpers/check.js';
import { testDevice } from '../helpers/device.js';
import { testImage } from '../helpers/golden.js';
import { formulaVit } from '../helpers/models.js';
import { failure } from '../helpers/runs.js';

const plain = formulaVit('teacher16', 'first blocks', 0.5);
/** 3 blocks of 40 with 4 heads, patches of 16, a grid of 3, and a normalisation of its own. */
const teacher: VitModel = { ...plain, config: { ...plain.config, mean: [0.5, 0.4, 0.3], std: [0.5, 0.25, 0.4] } };
const options: PretrainOptions =
  { ...distillationDefaults, dim: 40, depth: 3, heads: 4, patch: 8, imageSize: 24, batch: 2, epochs: 1, warmupEpochs: 0 };
const photos: Bitmap[] = Array.from({ length: 2 },
  (_, i) => ({ width: 40, height: 44, data: Uint8Array.from(testImage(`photo${i}`, 44, 40), (v) => 255 * v) }));

/** Each run has its own: their parameters have the same names and other sizes. */
const newEngine = async (): Promise<Engine> => createEngine(await testDevice(), { poison: true });

/** Every patch of 8 pixels of a picture [3, side, side] enlarged to 16 by linear interpolation, the patches around it unseen. */
function enlarged(data: Float32Array, side: number): Float32Array {
  const at = (c: number, y: number, x: number): number => data[(c * side + y) * side + x]!;
  /** The two pixels of an axis between which a pixel of the large picture lies, and how far it is on the way. */
  const between = (i: number): [number, number, number] => {
    const start = 8 * Math.floor(i / 16);
    const x = Math.min(7, Math.max(0, ((i % 16) - 0.5) / 2));
    return [start + Math.floor(x), start + Math.min(7, Math.floor(x) + 1), x % 1];
  };
  return Float32Array.from({ length: 3 * (2 * side) ** 2 }, (_, i) => {
    const c = Math.floor(i / (2 * side) ** 2);
    const [top, bottom, down] = between(Math.floor(i / (2 * side)) % (2 * side));
    const [left, right, across] = between(i % (2 * side));
    const row = (y: number): number => (1 - across) * at(c, y, left) + across * at(c, y, right);
    return (1 - down) * row(top) + down * row(bottom);
  });
}

for (const depth of [3, 1]) {
  test(`the keys of block ${depth} are the teacher's for the picture whose patches are enlarged`, async () => {
    const engine = await newEngine();
    const run = await startPretrain(engine, photos, { ...options, depth }, { teacher, init: FROM_TEACHER });
    const picture = testImage('seen', 24, 24);
    const { data } = await run.keys(picture, 24);
    run.destroy();

    const g = engine.graph();
    uploadVit(engine, teacher);
    const { mean, std } = teacher.config;
    const layers = vitLayers(g, teacher, normalize(g.constant(enlarged(picture, 24), [1, 3, 48, 48]), mean, std));
    const program = await engine.compile({ keys: facet(layers[depth - 1]!, 'keys') });
    program.run();
    assertClose('keys', data, await program.read('keys'), 1e-5);
    program.destroy();
  });
}

test('a student with all blocks of a teacher of its own kind makes no error of the CLS token at first', async () => {
  const same = formulaVit('probe8', 'same', 0.5);
  const { dim, depth, heads, image } = same.config;
  const errors: number[] = [];
  for (const init of [FROM_TEACHER, new Map()] as const) {
    const like = { ...options, dim, depth, heads, imageSize: image };
    const run = await startPretrain(await newEngine(), photos, like, { teacher: same, init });
    await run.step();
    errors.push((await run.losses())['cls']!);
    run.destroy();
  }
  assert.ok(errors[0]! < 1e-8 && errors[1]! > 0.5, errors.join(', '));
});

test('a teacher whose blocks fit no student of these options is named with the remedy', async () => {
  const of = (change: Partial<VitConfig>): string | undefined => firstBlocksProblem(options, { ...teacher.config, ...change });
  assert.is(of({}), undefined);
  assert.is(of({ dim: 48, hidden: 192, heads: 3 }), 'its blocks are 48 wide with 3 heads: give --dim 48 --heads 3');
  assert.is(of({ heads: 2 }), 'its blocks are 40 wide with 2 heads: give --dim 40 --heads 2');
  assert.is(of({ depth: 2 }), 'it has 2 blocks: give a --depth of at most 2');
  assert.is(of({ patch: 4 }), 'its patches have 4 pixels: give a --patch of at most 4');
  const others: Partial<VitConfig>[] =
    [{ registers: 4 }, { positions: 'rotary' }, { preNorm: true }, { gated: true }, { activation: 'quickGelu' }, { hidden: 80 }];
  for (const change of others) {
    assert.is(of(change), 'it has parts that students lack, such as registers: choose a plain ViT', JSON.stringify(change));
  }
  const refused = async (change: Partial<PretrainOptions>, begin: PretrainStart): Promise<string> => {
    const run = startPretrain(await newEngine(), photos, { ...options, ...change }, { ...begin, init: FROM_TEACHER });
    return (await failure(run)).message;
  };
  assert.match(await refused({ depth: 4 }, { teacher }), /teacher16.*: it has 3 blocks: give a --depth of at most 3$/);
  assert.match(await refused({}, {}), /init: 'teacher' needs a teacher/);
});

test.run();
