/** One ViT under every family's names is the same ViT; missing and left over names are listed. */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { sizeOf } from '../../engine/index.js';
import { openCheckpoint } from '../../model/files/read.js';
import { parseShardIndex } from '../../model/files/shards.js';
import { vitFromStored, vitFromWeights } from '../../model/vit/checkpoint.js';
import type { Weight, Weights } from '../../model/vit/config.js';
import { CheckpointError } from '../../model/vit/errors.js';
import { dataFile } from '../helpers/data.js';
import { fill } from '../helpers/golden.js';
import { tinyConfig } from '../helpers/tinyVit.js';
import { vitParameters } from '../../model/vit/untrained.js';
import { fixture } from '../helpers/torchFiles.js';

const rejects = (run: () => unknown, text: RegExp) =>
  assert.throws(run, (error: Error) =>
    error instanceof CheckpointError && text.test(error.message) && !error.message.includes('\n'));

type Names = (own: string) => string[];

/** Weights with values of their own, under this project's names. */
const own = (preNorm = false): Map<string, Weight> =>
  new Map(vitParameters({ ...tinyConfig, preNorm })
    .map(([name, shape]) => [name, { shape, data: fill(`families.${name}`, shape) }]));

/** The same weights under `names`, in one equal part per name; if `flat`, without leading sizes of 1. */
function renamed(weights: Weights, names: Names, flat: boolean): Map<string, Weight> {
  return new Map([...weights].flatMap(([name, { shape, data }]) => {
    const parts = names(name);
    const size = data.length / parts.length;
    const kept = flat && /cls_token|pos_embed/.test(name) ? shape.filter((n) => n !== 1) : shape;
    return parts.map((part, i): [string, Weight] =>
      [part, { shape: [kept[0]! / parts.length, ...kept.slice(1)], data: data.slice(i * size, (i + 1) * size) }]);
  }));
}

/** Replaces whole words of a name, in order. */
const rename = (name: string, words: readonly (readonly [string, string])[]): string =>
  words.reduce((text, [from, to]) => text.replace(from, to), name);

const huggingFaceVit: Names = (name) => {
  const [, block, part] = /^blocks\.(\d)\.attn\.qkv\.(.*)/.exec(name) ?? [];
  if (block) return ['query', 'key', 'value'].map((q) => `vit.encoder.layer.${block}.attention.attention.${q}.${part}`);
  const own = rename(name, [
    ['cls_token', 'embeddings.cls_token'], ['pos_embed', 'embeddings.position_embeddings'],
    ['patch_embed.proj', 'embeddings.patch_embeddings.projection'], ['blocks.', 'encoder.layer.'], ['norm1', 'layernorm_before'],
    ['norm2', 'layernorm_after'], ['attn.proj', 'attention.output.dense'], ['mlp.fc1', 'intermediate.dense'],
    ['mlp.fc2', 'output.dense'],
  ]);
  return [`vit.${own}`.replace('vit.norm', 'vit.layernorm')];
};

const huggingFaceClip: Names = (name) => {
  const [, block, part] = /^blocks\.(\d)\.attn\.qkv\.(.*)/.exec(name) ?? [];
  if (block) return ['q', 'k', 'v'].map((q) => `vision_model.encoder.layers.${block}.self_attn.${q}_proj.${part}`);
  const own = rename(name, [
    ['cls_token', 'embeddings.class_embedding'], ['pos_embed', 'embeddings.position_embedding.weight'],
    ['patch_embed.proj', 'embeddings.patch_embedding'], ['blocks.', 'encoder.layers.'], ['norm1', 'layer_norm1'],
    ['norm2', 'layer_norm2'], ['norm_pre', 'pre_layrnorm'], ['attn.proj', 'self_attn.out_proj'],
  ]);
  return [`vision_model.${own}`.replace('model.norm', 'model.post_layernorm')];
};

const openAiClip: Names = (name) => {
  const own = rename(name, [
    ['cls_token', 'class_embedding'], ['pos_embed', 'positional_embedding'], ['patch_embed.proj', 'conv1'],
    ['blocks.', 'transformer.resblocks.'], ['norm1', 'ln_1'], ['norm2', 'ln_2'], ['norm_pre', 'ln_pre'],
    ['attn.qkv.', 'attn.in_proj_'], ['attn.proj', 'attn.out_proj'], ['mlp.fc1', 'mlp.c_fc'], ['mlp.fc2', 'mlp.c_proj'],
  ]);
  return [`visual.${own}`.replace('visual.norm', 'visual.ln_post')];
};

test("families: Hugging Face's ViT is DINO's", () => {
  const expected = vitFromWeights('x', own());
  const { config, weights } = vitFromWeights('x', renamed(own(), huggingFaceVit, false));
  assert.equal(weights, expected.weights);
  assert.equal(config, { ...expected.config, eps: 1e-12 });
});

test("families: CLIP's image tower under OpenAI's and Hugging Face's names is one", () => {
  const a = vitFromWeights('x', renamed(own(true), openAiClip, true));
  const b = vitFromWeights('x', renamed(own(true), huggingFaceClip, true));
  assert.equal(a, b);
  assert.equal([...a.weights].sort(), [...own(true)].filter(([name]) => !name.startsWith('norm.')).sort());
  assert.equal([a.config.preNorm, a.config.activation, a.config.eps], [true, 'quickGelu', 1e-5]);
  assert.is(vitFromWeights('x', renamed(own(true), openAiClip, true), { activation: 'gelu' }).config.activation, undefined);
});

test('families: anything may stand before the names', () => {
  const expected = vitFromWeights('x', own()).weights;
  const prefixes = [
    'module.', 'backbone.', 'model.', 'state_dict.module.', 'teacher.backbone.', 'student.module.backbone.',
    'model.module.encoder.',
  ];
  for (const prefix of prefixes) {
    const weights = new Map([...own()].map(([name, weight]) => [prefix + name, weight]));
    weights.set('optimizer.lr', { shape: [1], data: Float32Array.of(1) });
    assert.equal(vitFromWeights('x', weights).weights, expected, prefix);
  }
});

test('families: of several ViTs the teacher is taken, then the average, and the student last', () => {
  const order = ['teacher.backbone.', 'model_ema.', 'model.', 'student.backbone.'];
  const under = (prefix: string, i: number) => [...own()].map(([name, { shape, data }]): [string, Weight] =>
    [prefix + name, { shape, data: data.map((v) => v + i) }]);
  const weights = new Map(order.flatMap(under).reverse());
  for (const [i, prefix] of order.entries()) {
    const { weights: taken } = vitFromWeights('x', weights);
    assert.is(taken.get('cls_token')!.data[0], Math.fround(own().get('cls_token')!.data[0]! + i), prefix);
    for (const name of weights.keys()) if (name.startsWith(prefix)) weights.delete(name);
  }
});

test('families: missing names and left over ones are listed by the names of the file', () => {
  const without = (weights: Map<string, Weight>, name: string, more?: string): Map<string, Weight> => {
    assert.ok(weights.delete(name), name);
    if (more) weights.set(more, { shape: [1], data: new Float32Array(1) });
    return weights;
  };
  const vit = () => renamed(own(), huggingFaceVit, false);
  const part = 'vit.encoder.layer.1.attention.attention';
  const misspelt = () => vitFromWeights('x', without(vit(), `${part}.key.bias`, `${part}.kye.bias`));
  rejects(misspelt, /a tensor is missing: encoder\.layer\.1\.attention\.attention\.key\.bias; left over: /);
  rejects(misspelt, /over: .*encoder\.layer\.1\.attention\.attention\.kye\.bias.*\(by Hugging Face's ViT names below "vit\."\)/);
  const clip = () => renamed(own(true), openAiClip, true);
  rejects(() => vitFromWeights('x', without(clip(), 'visual.transformer.resblocks.0.attn.in_proj_bias')),
    /missing: transformer\.resblocks\.0\.attn\.in_proj_bias.*OpenAI's names of CLIP's image tower below "visual\."/);
  const zeros = (...shape: number[]): Weight => ({ shape, data: new Float32Array(sizeOf(shape)) });
  const changed = (weights: Map<string, Weight>, name: string, weight: Weight) => () =>
    vitFromWeights('x', weights.set(name, weight));
  rejects(changed(vit(), 'vit.encoder.layer.0.attention.attention.relative_position_bias', zeros(8)),
    /relative_position_bias belongs to a kind of ViT that is not supported/);
  rejects(changed(vit(), 'vit.encoder.layer.0.attention.attention.key.weight', zeros(8, 4)),
    /do not go together: \[8, 8\], \[8, 4\], \[8, 8\]/);
  rejects(changed(clip(), 'visual.conv1.weight', zeros(8, 1, 4, 4)),
    /visual\.conv1\.weight is \[8, 1, 4, 4\], expected \[8, 3, 4, 4\]/);
});

test('families: the files PyTorch wrote, value by value', () => {
  const dino = vitFromStored('x', openCheckpoint(fixture('dino.pth')), { heads: 2 });
  const teacher = vitFromStored('x', openCheckpoint(fixture('teacher.legacy.pth')));
  for (const [name, { shape, data }] of dino.weights) assert.equal(data, fill(`dino.${name}`, shape), name);
  for (const [name, { shape, data }] of teacher.weights) assert.equal(data, fill(`teacher.${name}`, shape), name);
  const clip = vitFromStored('x', openCheckpoint(fixture('clip.jit.pt')));
  const { dim, depth, patch, image, preNorm } = clip.config;
  assert.equal([dim, depth, patch, image, preNorm], [4, 1, 2, 4, true]);
  const cls = fill('jit.visual.class_embedding', [4]);
  clip.weights.get('cls_token')!.data.forEach((value, i) => assert.ok(Math.abs(value - cls[i]!) < 1e-3));
});

test('families: a .pth and a .safetensors of one model are equal', () => {
  const paths = ['pth', 'safetensors'].map((ending) => dataFile(`weights/vit_tiny_patch16_224.augreg.${ending}`));
  if (paths.some((path) => path === undefined)) return;
  const [a, b] = paths.map((path) => vitFromStored('x', openCheckpoint(readFileSync(path!))));
  assert.is(a!.weights.size, 148);
  assert.equal(a!.config, b!.config);
  for (const [name, { shape, data }] of a!.weights) {
    const other = b!.weights.get(name)!;
    assert.equal(shape, other.shape);
    const bytesOf = (values: Float32Array) => Buffer.from(values.buffer, values.byteOffset, values.byteLength);
    assert.is(Buffer.compare(bytesOf(data), bytesOf(other.data)), 0, name);
  }
});

test('shards: an index names only files next to it', () => {
  const index = (value: unknown) => Buffer.from(JSON.stringify(value));
  assert.equal([...parseShardIndex(index({ weight_map: { a: 'm-1.safetensors', b: 'm-2.safetensors', c: 'm-1.safetensors' } }))],
    [['m-1.safetensors', ['a', 'c']], ['m-2.safetensors', ['b']]]);
  for (const file of ['/etc/passwd', '../m', 'a/b', '..', '', 'a\\b', 3]) {
    assert.throws(() => parseShardIndex(index({ weight_map: { a: file } })), /only files next to it are read/);
  }
  assert.throws(() => parseShardIndex(index({})), /no "weight_map"/);
  assert.throws(() => parseShardIndex(Buffer.from('['.repeat(200_000))), /brackets/);
});

test.run();
