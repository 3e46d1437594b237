/** A ViT's sizes are read off its shapes, and what does not fit is named. */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parseSafetensors } from '../../model/files/safetensors.js';
import { vitFromWeights } from '../../model/vit/checkpoint.js';
import { parseSidecar } from '../../model/vit/settings.js';
import { CheckpointError } from '../../model/vit/errors.js';
import { IMAGENET_MEAN, IMAGENET_STD } from '../../model/vit/config.js';
import { dataFile } from '../helpers/data.js';
import { tinyConfig, tinyWeights } from '../helpers/tinyVit.js';

const rejects = (run: () => unknown, text: RegExp) =>
  assert.throws(run, (error: Error) =>
    error instanceof CheckpointError && text.test(error.message) && !error.message.includes('\n'));

const filled = (shape: readonly number[], value = 0.01) =>
  ({ shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value) });

test('checkpoint: sizes come from shapes, the rest from defaults', () => {
  const { name, config, weights } = vitFromWeights('tiny', tinyWeights());
  assert.is(name, 'tiny');
  assert.equal(config, tinyConfig);
  assert.is(weights.size, 4 + 12 * tinyConfig.depth);
});

test('checkpoint: heads of 64 by default, settings are stronger', () => {
  const wide = { ...tinyConfig, dim: 128, depth: 1 };
  assert.is(vitFromWeights('wide', tinyWeights(wide)).config.heads, 2);
  const { heads, mean, std } = vitFromWeights('wide', tinyWeights(wide),
    { heads: 4, patch: 4, mean: [0.5, 0.5, 0.5], std: [0.1, 0.2, 0.3] }).config;
  assert.equal([heads, mean, std], [4, [0.5, 0.5, 0.5], [0.1, 0.2, 0.3]]);
});

test('checkpoint: classifier heads and the final norm are left out', () => {
  const weights = tinyWeights();
  weights.set('head.weight', filled([10, 8], NaN));
  const kept = vitFromWeights('tiny', weights).weights;
  assert.not(kept.has('head.weight') || kept.has('norm.weight'));
  weights.delete('norm.weight');
  vitFromWeights('tiny', weights);
});

test('checkpoint: missing and misshapen tensors are named with what was expected', () => {
  const without = (...keys: string[]) => {
    const weights = tinyWeights();
    keys.forEach((key) => weights.delete(key));
    return () => vitFromWeights('tiny', weights);
  };
  rejects(without('blocks.1.attn.qkv.bias'), /a tensor is missing: blocks\.1\.attn\.qkv\.bias/);
  rejects(without('patch_embed.proj.weight'),
    /it holds no ViT: expected one of the tensors patch_embed\.proj\.weight, .*, found cls_token, pos_embed, .* and 25 more/);
  const halved = without('cls_token', 'blocks.0.norm1.weight');
  rejects(halved, /2 tensors are missing: cls_token, blocks\.0\.norm1\.weight \(by DINO's and timm's names\)/);
  const renamed = tinyWeights().set('class_token', filled([1, 1, 8])).set('blocks.0.attn.q_bias', filled([8]));
  for (const key of ['cls_token', 'blocks.0.attn.qkv.bias', 'blocks.1.attn.qkv.bias']) renamed.delete(key);
  const named = /3 tensors are missing: .*; left over: class_token, blocks\.0\.attn\.q_bias \(by/;
  rejects(() => vitFromWeights('tiny', renamed), named);
  rejects(without(...[...tinyWeights().keys()].filter((key) => key.startsWith('blocks.0.'))),
    /block 0 is missing: the file has blocks up to 1/);
  const wrong = (key: string, shape: readonly number[]) => () => vitFromWeights('tiny', tinyWeights().set(key, filled(shape)));
  rejects(wrong('blocks.1.mlp.fc2.weight', [16, 8]), /blocks\.1\.mlp\.fc2\.weight is \[16, 8\], expected \[8, 16\]/);
  rejects(wrong('pos_embed', [1, 8, 8]), /pos_embed is \[1, 8, 8\]: expected \[1, 1 \+ n \* n, D\]/);
  rejects(wrong('pos_embed', [10, 8]), /pos_embed is \[10, 8\]: expected 3 sizes/);
  rejects(wrong('patch_embed.proj.weight', [8, 1, 4, 4]), /expected \[8, 3, 4, 4\]/);
});

test('checkpoint: values that are not finite are named', () => {
  for (const value of [NaN, Infinity, -Infinity]) {
    const weights = tinyWeights();
    weights.get('blocks.1.norm2.bias')!.data[3] = value;
    rejects(() => vitFromWeights('tiny', weights), /not finite \(NaN or infinity\) in blocks\.1\.norm2\.bias/);
  }
});

test('checkpoint: a block that is missing in between, however high the others are numbered', () => {
  const weights = tinyWeights();
  weights.set('blocks.4000000000.norm1.weight', filled([8]));
  rejects(() => vitFromWeights('tiny', weights), /block 2 is missing: the file has blocks up to 4000000000/);
});

test('checkpoint: other kinds of ViT are refused rather than computed wrongly', () => {
  for (const key of ['blocks.0.attn.q_norm.weight', 'norm_pre.weight', 'attn_pool.latent', 'rope.freqs']) {
    rejects(() => vitFromWeights('tiny', tinyWeights().set(key, filled([8]))), new RegExp(`${key} belongs to a kind of ViT`));
  }
});

test('checkpoint: register neurons of the sidecar make a register of zeros', () => {
  const { config, weights } = vitFromWeights('tiny', tinyWeights(), { registerNeurons: [[0, 3]] });
  assert.equal([config.registers, config.registerNeurons, config.positions], [1, [[0, 3]], undefined]);
  assert.equal(weights.get('register_tokens'), { shape: [1, 1, 8], data: new Float32Array(8) });
  rejects(() => vitFromWeights('tiny', tinyWeights(), { registerNeurons: [[1, 3]] }), /the register neuron 1:3 does not exist/);
});

test('checkpoint: settings that contradict the weights', () => {
  rejects(() => vitFromWeights('tiny', tinyWeights(), { heads: 3 }), /3 heads do not divide the width 8/);
  rejects(() => vitFromWeights('tiny', tinyWeights(), { patch: 16 }), /patch is given as 16, the weights have 4/);
});

test('sidecar: fields are read and checked', () => {
  assert.equal(parseSidecar({ name: 'x', heads: 3, patch: 16, mean: [0, 0.5, 1], std: [1, 2, 3] }),
    { heads: 3, patch: 16, mean: [0, 0.5, 1], std: [1, 2, 3] });
  assert.equal(parseSidecar({}), {});
  rejects(() => parseSidecar([]), /a JSON object is expected/);
  rejects(() => parseSidecar({ heads: 0 }), /"heads" is 0/);
  rejects(() => parseSidecar({ patch: '16' }), /"patch" is "16"/);
  rejects(() => parseSidecar({ mean: [0.5, 0.5] }), /"mean" is \[0\.5,0\.5\]: expected three numbers/);
  assert.equal(parseSidecar({ registerNeurons: [[7, 417]] }), { registerNeurons: [[7, 417]] });
  for (const wrong of [[], [7, 417], [[7]], [[7, -1]], '7:417']) {
    rejects(() => parseSidecar({ registerNeurons: wrong }), /"registerNeurons" is .*: expected pairs of layer and unit/);
  }
  rejects(() => parseSidecar({ std: [0, 1, 1] }), /expected three positive numbers/);
});

test('checkpoint: real files, with and without a classifier', () => {
  for (const [file, mean, std] of [
    ['weights/vit_tiny_patch16_224.augreg', [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]],
    ['weights/deit_tiny_patch16_224', IMAGENET_MEAN, IMAGENET_STD],
  ] as const) {
    const [path, sidecar] = [dataFile(`${file}.safetensors`), dataFile(`${file}.json`)];
    if (!path || !sidecar) continue;
    const { tensors } = parseSafetensors(readFileSync(path));
    const { config } = vitFromWeights(file, tensors, parseSidecar(JSON.parse(readFileSync(sidecar, 'utf8'))));
    assert.equal(config, { dim: 192, depth: 12, heads: 3, patch: 16, image: 224, hidden: 768, eps: 1e-6, mean, std });
  }
});

test.run();
