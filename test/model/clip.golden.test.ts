/** CLIP's image tower, loaded by OpenAI's names, against PyTorch; and the image gradient against finite differences. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { gradients, mul, normalize, selfSimilarity, slice, sum, type Tensor } from '../../engine/index.js';
import { vitFromWeights } from '../../model/vit/checkpoint.js';
import type { VitModel, Weight } from '../../model/vit/config.js';
import { facet, uploadVit, vitFeatures, vitLayers } from '../../model/vit/vit.js';
import { assertClose } from '../helpers/check.js';
import { testEngine } from '../helpers/device.js';
import { fill, golden, testImage } from '../helpers/golden.js';

const { meta, get, tolerance } = golden('clip_probe');
const tag = meta['tag'] as string;
type Sizes = Record<'dim' | 'depth' | 'heads' | 'patch' | 'image', number>;
const { dim: d, depth, heads, patch, image: side } = meta['config'] as Sizes;

/** `clip_params` of the oracle. */
function clipWeights(): Map<string, Weight> {
  const weights = new Map<string, Weight>();
  const put = (name: string, shape: number[], scale: number, offset = 0): void =>
    void weights.set(`visual.${name}`, { shape, data: fill(`${tag}.visual.${name}`, shape, scale, offset) });
  put('class_embedding', [d], 0.5);
  put('positional_embedding', [(side / patch) ** 2 + 1, d], 0.5);
  put('conv1.weight', [d, 3, patch, patch], 2 / Math.sqrt(3 * patch ** 2));
  for (const name of ['ln_pre', 'ln_post']) {
    put(`${name}.weight`, [d], 0.2, 1);
    put(`${name}.bias`, [d], 0.2);
  }
  for (let i = 0; i < depth; i++) {
    const b = `transformer.resblocks.${i}.`;
    for (const name of ['ln_1', 'ln_2']) {
      put(`${b}${name}.weight`, [d], 0.2, 1);
      put(`${b}${name}.bias`, [d], 0.2);
    }
    put(`${b}attn.in_proj_weight`, [3 * d, d], 2.5 / Math.sqrt(d));
    put(`${b}attn.in_proj_bias`, [3 * d], 0.2);
    put(`${b}attn.out_proj.weight`, [d, d], 1.5 / Math.sqrt(d));
    put(`${b}attn.out_proj.bias`, [d], 0.1);
    put(`${b}mlp.c_fc.weight`, [4 * d, d], 2 / Math.sqrt(d));
    put(`${b}mlp.c_fc.bias`, [4 * d], 0.1);
    put(`${b}mlp.c_proj.weight`, [d, 4 * d], 2 / Math.sqrt(4 * d));
    put(`${b}mlp.c_proj.bias`, [d], 0.1);
  }
  return weights;
}

const vit: VitModel = vitFromWeights('clip', clipWeights(), { heads });

test('clip: sizes and settings come from the names', () => {
  const { mean, eps, activation, preNorm, image } = vit.config;
  assert.equal([eps, activation, preNorm, image], [1e-5, 'quickGelu', true, side]);
  assert.equal(mean, [0.48145466, 0.4578275, 0.40821073]);
  assert.not(vit.weights.has('patch_embed.proj.bias'));
});

test('clip: keys, tokens and self-similarity agree with PyTorch', async () => {
  const engine = await testEngine();
  uploadVit(engine, vit);
  const g = engine.graph();
  const image = g.input('image', [1, 3, side, side]);
  const x = normalize(image, vit.config.mean, vit.config.std);
  const last = vitLayers(g, vit, x).at(-1)!;
  const short = vitFeatures(g, vit, x);
  const keys = facet(last, 'keys');
  const outputs = {
    'last.keys': keys, 'last.tokens': last.tokens, self_similarity: selfSimilarity(keys), 'short.keys': short.keys,
    'short.cls': short.cls,
  };
  const program = await engine.compile(outputs);
  program.write('image', testImage(meta['image'] as string, side, side));
  program.run();
  const check = async (output: keyof typeof outputs, expected: Float32Array, key: string): Promise<void> =>
    assertClose(`clip ${output}`, await program.read(output), expected, tolerance(key));
  for (const key of ['last.keys', 'last.tokens', 'self_similarity'] as const) await check(key, get(key).data, key);
  await check('short.keys', get('last.keys').data, 'last.keys');
  await check('short.cls', get('last.tokens').data.slice(0, d), 'last.tokens');
  program.destroy();
});

test('clip: the image gradient is the slope of the objective, for keys and for CLS', async () => {
  const engine = await testEngine();
  uploadVit(engine, vit);
  const g = engine.graph();
  const image = g.input('image', [1, 3, side, side]);
  const { keys, cls } = vitFeatures(g, vit, normalize(image, vit.config.mean, vit.config.std));
  const weighed = (name: string, t: Tensor): Tensor => sum(mul(t, g.constant(fill(`clip.seed.${name}`, t.shape), t.shape)));
  const goals = { keys: weighed('keys', keys), cls: weighed('cls', slice(cls, 1, 0, 1)) };
  const grads = { dKeys: gradients(goals.keys, [image])[0]!, dCls: gradients(goals.cls, [image])[0]! };
  const program = await engine.compile({ ...goals, ...grads });
  const at = testImage(meta['image'] as string, side, side);
  const direction = fill('clip.direction', [3, side, side]);
  const run = async (step: number): Promise<{ keys: number; cls: number }> => {
    program.write('image', at.map((value, i) => value + step * direction[i]!));
    program.run();
    return { keys: (await program.read('keys'))[0]!, cls: (await program.read('cls'))[0]! };
  };
  const h = 2e-3;
  const [above, below] = [await run(h), await run(-h)];
  await run(0);
  for (const [goal, grad] of [['keys', 'dKeys'], ['cls', 'dCls']] as const) {
    const along = (await program.read(grad)).reduce((total, value, i) => total + value * direction[i]!, 0);
    const slope = (above[goal] - below[goal]) / (2 * h);
    assert.ok(Math.abs(along - slope) < 5e-3 * Math.abs(slope), `${goal}: gradient ${along}, slope ${slope}`);
  }
  program.destroy();
});

test.run();
