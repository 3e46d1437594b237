/** DINOv2, DINOv3 and distilled ViTs are one ViT under the names of makers, timm and Hugging Face; what does not fit is named. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { vitFromWeights } from '../../model/vit/checkpoint.js';
import type { VitConfig, Weight, Weights } from '../../model/vit/config.js';
import { CheckpointError } from '../../model/vit/errors.js';
import { interpolatePositions } from '../../model/vit/positions.js';
import { defaultPeriods, rotaryTable } from '../../model/vit/rotary.js';
import { fill, golden } from '../helpers/golden.js';
import { goldenParameters } from '../helpers/models.js';

const HEADS = { heads: 3 };

/** The parameters of a golden file, under the names of published checkpoints. */
const published = (name: string): Map<string, Weight> => goldenParameters(golden(name).meta);

const rejects = (weights: Weights, text: RegExp) =>
  assert.throws(() => vitFromWeights('x', weights, HEADS), (error: Error) =>
    error instanceof CheckpointError && text.test(error.message) && !error.message.includes('\n'));

type Words = readonly (readonly [from: string | RegExp, to: string])[];

const renamed = (weights: Weights, words: Words): Map<string, Weight> => new Map([...weights].map(([name, weight]) =>
  [words.reduce<string>((text, [from, to]) => text.replace(from, to), name), weight]));

/** A parameter in equal parts along its first axis. */
function split(weights: Map<string, Weight>, pattern: RegExp, names: readonly string[]): Map<string, Weight> {
  return new Map([...weights].flatMap(([name, weight]): [string, Weight][] => {
    if (!pattern.test(name)) return [[name, weight]];
    const { shape, data } = weight;
    const [rows, size] = [shape[0]! / names.length, data.length / names.length];
    return names.map((part, i) =>
      [name.replace(pattern, part), { shape: [rows, ...shape.slice(1)], data: data.slice(i * size, (i + 1) * size) }]);
  }));
}

/** Asserts that two files are one ViT. */
function assertSame(a: Weights, b: Weights, config: Partial<VitConfig> = {}): void {
  const [first, second] = [vitFromWeights('x', a, HEADS), vitFromWeights('x', b, HEADS)];
  assert.equal([...second.weights].sort(), [...first.weights].sort());
  assert.equal(second.config, { ...first.config, ...config });
}

const HUGGING_FACE: Words = [
  ['cls_token', 'embeddings.cls_token'], ['dist_token', 'embeddings.distillation_token'],
  ['pos_embed', 'embeddings.position_embeddings'], ['register_tokens', 'embeddings.register_tokens'],
  ['storage_tokens', 'embeddings.register_tokens'],
];

const HUGGING_FACE_2: Words = [
  ...HUGGING_FACE, ['patch_embed.proj', 'embeddings.patch_embeddings.projection'], ['blocks.', 'encoder.layer.'],
  ['attn.proj', 'attention.output.dense'], ['ls1.gamma', 'layer_scale1.lambda1'], ['ls2.gamma', 'layer_scale2.lambda1'],
  ['mlp.w12', 'mlp.weights_in'], ['mlp.w3', 'mlp.weights_out'],
];

const splitAttention = (weights: Map<string, Weight>): Map<string, Weight> =>
  split(weights, /attn\.qkv/, ['query', 'key', 'value'].map((part) => `attention.attention.${part}`));

test('eyes: sizes and kinds come from the names and shapes', () => {
  const configOf = (name: string): VitConfig => vitFromWeights('x', published(name), HEADS).config;
  const { patch, image, registers, positions, gated, eps, hidden } = configOf('vit_dinov2_giant_28x56');
  assert.equal([patch, image, registers, positions, gated, eps, hidden], [14, 42, 4, 'antialiased', true, 1e-6, 40]);
  const plain = configOf('vit_dinov2_42x42');
  assert.equal([plain.registers, plain.positions, plain.gated, plain.hidden], [undefined, undefined, undefined, 192]);
  const third = configOf('vit_dinov3_32x32');
  assert.equal([third.registers, third.positions, third.gated, third.eps], [4, 'rotary', undefined, 1e-5]);
  const distilled = configOf('vit_deit_distilled_32x32');
  assert.equal([distilled.registers, distilled.positions, distilled.image], [1, undefined, 32]);
});

test("eyes: DINOv2 and distilled DeiT under Hugging Face's names", () => {
  for (const name of ['vit_dinov2_42x42', 'vit_dinov2_reg4_42x42', 'vit_dinov2_giant_28x56']) {
    assertSame(published(name), splitAttention(renamed(published(name), HUGGING_FACE_2)));
  }
  const deit: Words = [
    ...HUGGING_FACE_2, ['norm1', 'layernorm_before'], ['norm2', 'layernorm_after'], ['mlp.fc1', 'intermediate.dense'],
    ['mlp.fc2', 'output.dense'],
  ];
  assertSame(published('vit_deit_distilled_32x32'), splitAttention(renamed(published('vit_deit_distilled_32x32'), deit)),
    { eps: 1e-12 });
});

test("eyes: DINOv2 under timm's names, which has the CLS token's position in the token", () => {
  const original = published('vit_dinov2_giant_28x56');
  const timm = renamed(original, [['register_tokens', 'reg_token'], ['mlp.w12', 'mlp.fc1'], ['mlp.w3', 'mlp.fc2']]);
  const { shape: [, T, C], data } = original.get('pos_embed')!;
  timm.set('pos_embed', { shape: [1, T! - 1, C!], data: data.slice(C) });
  const [a, b] = [original, timm].map((weights) => vitFromWeights('x', weights, HEADS));
  assert.equal(a!.config, b!.config);
  for (const [name, weight] of a!.weights) if (name !== 'pos_embed') assert.equal(weight, b!.weights.get(name), name);
  assert.equal(b!.weights.get('pos_embed')!.data.slice(C), data.slice(C));
  assert.ok(b!.weights.get('pos_embed')!.data.subarray(0, C).every((value) => value === 0));
});

test('eyes: DINOv3 under the names of timm and Hugging Face', () => {
  for (const name of ['vit_dinov3_32x32', 'vit_dinov3_plus_24x40']) {
    const original = published(name);
    const bare = new Map([...original].filter(([key]) => !/periods|bias_mask/.test(key)));
    const halved = split(bare, /attn\.qkv\.bias/, ['attn.q_bias', 'attn.k_bias', 'attn.v_bias']);
    const timm = renamed(new Map([...halved].filter(([key]) => !key.endsWith('k_bias'))), [
      ['storage_tokens', 'reg_token'], ['ls1.gamma', 'gamma_1'], ['ls2.gamma', 'gamma_2'], ['mlp.w1', 'mlp.fc1_g'],
      ['mlp.w2', 'mlp.fc1_x'], ['mlp.w3', 'mlp.fc2'],
    ]);
    assertSame(original, timm);
    const parts = split(bare, /attn\.qkv/, ['q', 'k', 'v'].map((part) => `attention.${part}_proj`));
    const gated = name.includes('plus');
    const words: Words = gated ? [] : [['mlp.fc1', 'mlp.up_proj'], ['mlp.fc2', 'mlp.down_proj']];
    assertSame(original, renamed(new Map([...parts].filter(([key]) => !key.endsWith('k_proj.bias'))), [
      ...HUGGING_FACE, ['patch_embed.proj', 'embeddings.patch_embeddings'], ['blocks.', 'layer.'],
      ['attn.proj', 'attention.o_proj'], ['ls1.gamma', 'layer_scale1.lambda1'], ['ls2.gamma', 'layer_scale2.lambda1'],
      ['mlp.w1', 'mlp.gate_proj'], ['mlp.w2', 'mlp.up_proj'], ['mlp.w3', 'mlp.down_proj'], ...words,
    ]));
    const zero = new Map([...timm].filter(([key]) => !/[qv]_bias/.test(key)));
    assert.ok(vitFromWeights('x', zero, HEADS).weights.get('blocks.0.attn.qkv.bias')!.data.every((value) => value === 0));
  }
});

test("eyes: a masked bias counts as zero, whatever it holds; MAE's decoder and mask token are left out", () => {
  const weights = published('vit_dinov3_32x32');
  const expected = vitFromWeights('x', weights, HEADS).weights;
  const bias = weights.get('blocks.1.attn.qkv.bias')!;
  bias.data.fill(NaN, 48, 96);
  assert.equal(vitFromWeights('x', weights, HEADS).weights, expected);
  bias.data[0] = NaN;
  rejects(weights, /not finite \(NaN or infinity\) in blocks\.1\.attn\.qkv\.bias/);
  const mae = published('vit_dinov2_42x42');
  const plain = vitFromWeights('x', mae, HEADS).weights;
  for (const name of ['mask_token', 'decoder_pos_embed', 'decoder_blocks.0.norm1.weight', 'decoder_embed.weight']) {
    mae.set(name, { shape: [1, 1, 8], data: new Float32Array(8) });
  }
  assert.equal(vitFromWeights('x', mae, HEADS).weights, plain);
});

test('eyes: what does not fit is named by the names of the file', () => {
  const changed = (file: string, name: string, shape: readonly number[], value = 0.1): Weights =>
    published(file).set(name, { shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value) });
  const without = (file: string, name: string): Weights => {
    const weights = published(file);
    assert.ok(weights.delete(name), name);
    return weights;
  };
  const [second, third, distilled] = ['vit_dinov2_reg4_42x42', 'vit_dinov3_32x32', 'vit_deit_distilled_32x32'] as const;
  rejects(changed(second, 'register_tokens', [4, 48]), /register_tokens is \[4, 48\]: expected 3 sizes/);
  rejects(changed(second, 'register_tokens', [1, 4, 40]), /register_tokens is \[1, 4, 40\], expected \[1, 4, 48\]/);
  rejects(changed(second, 'register_tokens', [2, 4, 48]), /register_tokens is \[2, 4, 48\], expected \[1, 4, 48\]/);
  assert.is(vitFromWeights('x', changed(second, 'register_tokens', [1, 0, 48]), HEADS).config.registers, undefined);
  rejects(changed(second, 'register_tokens', [1, 4, 48], NaN), /not finite .* in register_tokens/);
  rejects(changed(second, 'blocks.1.ls1.gamma', [47]), /blocks\.1\.ls1\.gamma is \[47\], expected \[48\]/);
  rejects(changed(second, 'blocks.1.ls2.gamma', [48], Infinity), /not finite .* in blocks\.1\.mlp\.fc2\.weight/);
  rejects(without(second, 'blocks.1.ls1.gamma'), /a tensor is missing: blocks\.1\.ls1\.gamma/);
  rejects(changed(second, 'blocks.0.attn.rel_pos', [3]), /blocks\.0\.attn\.rel_pos belongs to a kind of ViT/);
  rejects(changed(second, 'reg_token', [1, 4, 48]), /reg_token belongs to a kind of ViT/);
  rejects(changed(third, 'rope_embed.periods', [5]), /rope_embed\.periods is \[5\], expected \[4\]/);
  rejects(changed(third, 'rope_embed.periods', [4], 0), /rope_embed\.periods has values that are not above 0/);
  rejects(changed(third, 'blocks.2.attn.qkv.bias_mask', [48]), /blocks\.2\.attn\.qkv\.bias_mask is \[48\], expected \[144\]/);
  rejects(without(third, 'blocks.1.attn.qkv.bias'), /a tensor is missing: blocks\.1\.attn\.qkv\.bias/);
  rejects(changed(distilled, 'dist_token', [1, 2, 48]), /dist_token is \[1, 2, 48\], expected \[1, 1, 48\]/);
  rejects(changed(distilled, 'pos_embed', [1, 17, 48]),
    /pos_embed is \[1, 17, 48\]: expected \[1, 2 \+ n \* n, D\], a CLS token, a dist/);
  rejects(changed(distilled, 'register_tokens', [1, 1, 48]), /both register tokens and a distillation token/);
  rejects(without(distilled, 'cls_token'), /a tensor is missing: cls_token.*; ViTs without a CLS token, such as SigLIP's, have/);
  assert.throws(() => vitFromWeights('x', published(third), { heads: 8 }), /heads of 6 cannot have rotary positions/);
});

test("eyes: SigLIP's towers are refused because they have no CLS token", () => {
  const filled = (...shape: number[]): Weight => ({ shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(0.1) });
  const hint = /missing: (\w+\.)*(cls_token|class_embedding).*; ViTs without a CLS token, such as SigLIP's, have nothing/;
  const timm = published('vit_dinov2_42x42').set('pos_embed', filled(1, 9, 48)).set('attn_pool.latent', filled(1, 1, 48));
  timm.delete('cls_token');
  rejects(timm, hint);
  const tower = ['patch_embedding.weight', 'patch_embedding.bias', 'position_embedding.weight'].map((name) =>
    [`vision_model.embeddings.${name}`, filled(16)] as const);
  rejects(new Map([...tower, ['vision_model.head.probe', filled(1, 1, 16)]]), hint);
});

test('eyes: heads of DINOv3 follow from its periods', () => {
  const { heads } = vitFromWeights('x', published('vit_dinov3_32x32')).config;
  assert.is(heads, 3);
  rejects(published('vit_dinov3_32x32').set('rope_embed.periods', { shape: [3], data: new Float32Array(3).fill(1) }),
    /rope_embed\.periods is \[3\], expected \[4\]/);
});

test('eyes: positions at the size of the model are its own, and constant ones stay constant', () => {
  const pos = { shape: [1, 10, 2], data: fill('positions', [1, 10, 2]) };
  assert.is(interpolatePositions(pos, 3, 3, true), pos.data);
  const flat = { shape: [1, 10, 2], data: new Float32Array(20).fill(0.5) };
  for (const [rows, cols] of [[2, 5], [7, 3], [1, 1]] as const) {
    for (const antialias of [false, true]) {
      const made = interpolatePositions(flat, rows, cols, antialias);
      assert.is(made.length, 2 * (1 + rows * cols));
      assert.ok(made.every((value) => Math.abs(value - 0.5) < 1e-6), `${rows}x${cols}`);
    }
  }
});

test('eyes: rotary angles are those of the centres of patches, by the published periods', () => {
  const periods = defaultPeriods(4);
  assert.equal([...periods], [1, Math.fround(Math.sqrt(10)), 10, Math.fround(10 * Math.sqrt(10))]);
  const table = rotaryTable({ shape: [4], data: periods }, 2, 4, 3);
  assert.is(table.length, (1 + 8 + 3) * 2 * 8);
  const row = (t: number): Float32Array => table.subarray(t * 16, (t + 1) * 16);
  for (const t of [0, 9, 10, 11]) assert.equal([...row(t)], [...Array(8).fill(1), ...Array(8).fill(0)], `token ${t}`);
  // Patch (1, 2): row centre 0.5, column centre 0.25.
  const near = (value: number, expected: number) =>
    assert.ok(Math.abs(value - expected) < 1e-6, `${value}, expected ${expected}`);
  near(row(1 + 4 + 2)[2]!, Math.cos((2 * Math.PI * 0.5) / 10));
  near(row(1 + 4 + 2)[8 + 4]!, Math.sin(2 * Math.PI * 0.25));
});

test.run();
