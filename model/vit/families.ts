/**
 * Names of a ViT's parameters in checkpoints. A family is one table from this project's names (DINO's and timm's) to the sources
 * of the values. `{}` is the number of a block.
 */
import { IMAGENET_MEAN, IMAGENET_STD, type VitConfig } from './config.js';

/** Stands in a list of sources for a part of zeros, of the shape of the part before it. */
export const ZEROS = '';

/** The sources of one parameter. */
export interface Source {
  /** Alternatives; the parts of one are concatenated along their first axis. */
  readonly names: readonly (readonly string[])[];
  /** So many sizes of 1 are put before the stored shape. */
  readonly ones?: number;
  /** May be absent from the file, then from all blocks. */
  readonly optional?: boolean;
}

export interface Family {
  /** Its name in errors. */
  readonly label: string;
  /** The tensor that identifies the family; the text before it in a file is the prefix of all names. */
  readonly anchor: string;
  /** Tensors that must be there as well, to tell it from other families with the same anchor. */
  readonly marks?: readonly string[];
  readonly table: Readonly<Record<string, Source>>;
  /** The common prefix of the names of a block. */
  readonly block: RegExp;
  /** Parts of other architectures under the family's names; without them the features would be wrong, with no error. */
  readonly foreign: RegExp;
  /** Values that shapes do not determine; settings replace them. */
  readonly defaults: Pick<VitConfig, 'eps' | 'mean' | 'std' | 'activation' | 'positions'>;
}

const stored = (...names: string[]): Source => ({ names: [names] });
const asRow = (ones: number, name: string): Source => ({ names: [[name]], ones });
const optional = (...alternatives: string[]): Source => ({ names: alternatives.map((name) => [name]), optional: true });

/** A module's parameters under one or several other names, or under the first of several alternatives that is there. */
type Modules = Readonly<Record<string, readonly string[] | readonly (readonly string[])[]>>;

const alternatives = (sources: Modules[string]): readonly (readonly string[])[] =>
  (typeof sources[0] === 'string' ? [sources as readonly string[]] : (sources as readonly (readonly string[])[]));

/** Weight and bias of modules such as `blocks.{}.norm1`, from those of modules under other names. */
const both = (pairs: Modules): Record<string, Source> =>
  Object.fromEntries(Object.entries(pairs).flatMap(([target, sources]) => ['weight', 'bias'].map((part) =>
    [`${target}.${part}`, { names: alternatives(sources).map((names) => names.map((name) => `${name}.${part}`)) }])));

/** The same for the modules of every block, the sources below `prefix` and the block's number. */
const ofBlocks = (prefix: string, modules: Modules): Record<string, Source> =>
  both(Object.fromEntries(Object.entries(modules).map(([target, sources]) =>
    [`blocks.{}.${target}`, alternatives(sources).map((names) => names.map((name) => `${prefix}.{}.${name}`))])));

/** Layer scale of the attention's and the MLP's output, under some names in every block. */
const scales = (
  prefix: string, first: readonly string[], second: readonly string[], isOptional = false,
): Record<string, Source> => Object.fromEntries([first, second].map((names, i) =>
  [`blocks.{}.ls${i + 1}`, { names: names.map((name) => [`${prefix}.{}.${name}`]), optional: isOptional }]));

const OWN_BLOCK: Modules = {
  norm1: ['norm1'], 'attn.qkv': ['attn.qkv'], 'attn.proj': ['attn.proj'], norm2: ['norm2'],
  // DINOv2's giant has a gated MLP; timm packs its two halves into fc1.
  'mlp.fc1': [['mlp.fc1'], ['mlp.w12']], 'mlp.fc2': [['mlp.fc2'], ['mlp.w3']],
};

const IMAGENET = { mean: IMAGENET_MEAN, std: IMAGENET_STD };

/** OpenAI's `preprocess`: the statistics of CLIP's own training pictures. */
const CLIP = {
  eps: 1e-5, mean: [0.48145466, 0.4578275, 0.40821073], std: [0.26862954, 0.26130258, 0.27577711], activation: 'quickGelu',
} as const;

const timm: Family = {
  label: "DINO's and timm's names",
  anchor: 'patch_embed.proj.weight',
  table: {
    cls_token: stored('cls_token'),
    pos_embed: stored('pos_embed'),
    register_tokens: optional('register_tokens', 'reg_token'),
    dist_token: optional('dist_token'),
    ...both({ 'patch_embed.proj': ['patch_embed.proj'] }),
    ...ofBlocks('blocks', OWN_BLOCK),
    ...scales('blocks', ['ls1.gamma', 'gamma_1'], ['ls2.gamma', 'gamma_2'], true),
  },
  block: /^blocks\.(\d+)\./,
  foreign: /^(blocks\.\d+\.|reg_token|register_tokens|norm_pre\.|pos_drop\.|rope|attn_pool\.)/,
  defaults: { eps: 1e-6, ...IMAGENET },
};

const ROTARY = { eps: 1e-5, ...IMAGENET, positions: 'rotary' } as const;

const dino3: Family = {
  label: "DINOv3's names",
  anchor: 'patch_embed.proj.weight',
  marks: ['rope_embed.periods'],
  table: {
    cls_token: stored('cls_token'),
    register_tokens: optional('storage_tokens'),
    'rope_embed.periods': stored('rope_embed.periods'),
    ...both({ 'patch_embed.proj': ['patch_embed.proj'] }),
    ...ofBlocks('blocks', { ...OWN_BLOCK, 'mlp.fc1': [['mlp.fc1'], ['mlp.w1', 'mlp.w2']] }),
    'blocks.{}.attn.qkv.bias': optional('blocks.{}.attn.qkv.bias'),
    'blocks.{}.attn.qkv.bias_mask': optional('blocks.{}.attn.qkv.bias_mask'),
    ...scales('blocks', ['ls1.gamma'], ['ls2.gamma'], true),
  },
  block: timm.block,
  foreign: /^(blocks\.\d+\.|rope_embed\.)/,
  defaults: ROTARY,
};

const timmDino3: Family = {
  label: "timm's names of DINOv3",
  anchor: 'patch_embed.proj.weight',
  marks: ['reg_token', 'blocks.0.gamma_1'],
  table: {
    cls_token: stored('cls_token'),
    register_tokens: stored('reg_token'),
    ...both({ 'patch_embed.proj': ['patch_embed.proj'] }),
    ...ofBlocks('blocks', { ...OWN_BLOCK, 'mlp.fc1': [['mlp.fc1'], ['mlp.fc1_g', 'mlp.fc1_x']] }),
    'blocks.{}.attn.qkv.bias': { names: [['blocks.{}.attn.q_bias', ZEROS, 'blocks.{}.attn.v_bias']], optional: true },
    ...scales('blocks', ['gamma_1'], ['gamma_2']),
  },
  block: timm.block,
  foreign: /^(blocks\.\d+\.|pos_embed$|norm_pre\.|attn_pool\.)/,
  defaults: ROTARY,
};

const huggingFaceVit: Family = {
  label: "Hugging Face's ViT names",
  anchor: 'embeddings.patch_embeddings.projection.weight',
  table: {
    cls_token: stored('embeddings.cls_token'),
    pos_embed: stored('embeddings.position_embeddings'),
    dist_token: optional('embeddings.distillation_token'),
    ...both({ 'patch_embed.proj': ['embeddings.patch_embeddings.projection'] }),
    ...ofBlocks('encoder.layer', {
      norm1: ['layernorm_before'], 'attn.qkv': ['query', 'key', 'value'].map((part) => `attention.attention.${part}`),
      'attn.proj': ['attention.output.dense'], norm2: ['layernorm_after'],
      'mlp.fc1': ['intermediate.dense'], 'mlp.fc2': ['output.dense'],
    }),
  },
  block: /^encoder\.layer\.(\d+)\./,
  foreign: /^(encoder\.layer\.\d+\.|embeddings\.register)/,
  defaults: { eps: 1e-12, ...IMAGENET },
};

const huggingFaceDino2: Family = {
  label: "Hugging Face's names of DINOv2",
  anchor: huggingFaceVit.anchor,
  marks: ['encoder.layer.0.layer_scale1.lambda1'],
  table: {
    cls_token: stored('embeddings.cls_token'),
    pos_embed: stored('embeddings.position_embeddings'),
    register_tokens: optional('embeddings.register_tokens'),
    ...both({ 'patch_embed.proj': ['embeddings.patch_embeddings.projection'] }),
    ...ofBlocks('encoder.layer', {
      norm1: ['norm1'], 'attn.qkv': ['query', 'key', 'value'].map((part) => `attention.attention.${part}`),
      'attn.proj': ['attention.output.dense'], norm2: ['norm2'],
      'mlp.fc1': [['mlp.fc1'], ['mlp.weights_in']], 'mlp.fc2': [['mlp.fc2'], ['mlp.weights_out']],
    }),
    ...scales('encoder.layer', ['layer_scale1.lambda1'], ['layer_scale2.lambda1']),
  },
  block: huggingFaceVit.block,
  foreign: /^encoder\.layer\.\d+\./,
  defaults: { eps: 1e-6, ...IMAGENET },
};

const HF3 = 'layer.{}.attention';

const huggingFaceDino3: Family = {
  label: "Hugging Face's names of DINOv3",
  anchor: 'embeddings.patch_embeddings.weight',
  table: {
    cls_token: stored('embeddings.cls_token'),
    register_tokens: optional('embeddings.register_tokens'),
    ...both({ 'patch_embed.proj': ['embeddings.patch_embeddings'] }),
    ...ofBlocks('layer', {
      norm1: ['norm1'], 'attn.qkv': ['q', 'k', 'v'].map((part) => `attention.${part}_proj`), 'attn.proj': ['attention.o_proj'],
      norm2: ['norm2'], 'mlp.fc1': [['mlp.gate_proj', 'mlp.up_proj'], ['mlp.up_proj']], 'mlp.fc2': ['mlp.down_proj'],
    }),
    'blocks.{}.attn.qkv.bias': {
      names: [['q', 'k', 'v'].map((part) => `${HF3}.${part}_proj.bias`), [`${HF3}.q_proj.bias`, ZEROS, `${HF3}.v_proj.bias`]],
      optional: true,
    },
    ...scales('layer', ['layer_scale1.lambda1'], ['layer_scale2.lambda1']),
  },
  block: /^layer\.(\d+)\./,
  foreign: /^layer\.\d+\./,
  defaults: ROTARY,
};

const huggingFaceClip: Family = {
  label: "Hugging Face's names of CLIP's image tower",
  anchor: 'embeddings.class_embedding',
  table: {
    cls_token: asRow(2, 'embeddings.class_embedding'),
    pos_embed: asRow(1, 'embeddings.position_embedding.weight'),
    'patch_embed.proj.weight': stored('embeddings.patch_embedding.weight'),
    ...both({ norm_pre: ['pre_layrnorm'] }), // so spelt in every file
    ...ofBlocks('encoder.layers', {
      norm1: ['layer_norm1'], 'attn.qkv': ['q', 'k', 'v'].map((part) => `self_attn.${part}_proj`),
      'attn.proj': ['self_attn.out_proj'], norm2: ['layer_norm2'], 'mlp.fc1': ['mlp.fc1'], 'mlp.fc2': ['mlp.fc2'],
    }),
  },
  block: /^encoder\.layers\.(\d+)\./,
  foreign: /^(encoder\.layers\.\d+\.|embeddings\.patch_embedding\.bias)/,
  defaults: CLIP,
};

const openAiClip: Family = {
  label: "OpenAI's names of CLIP's image tower",
  anchor: 'ln_pre.weight',
  table: {
    cls_token: asRow(2, 'class_embedding'),
    pos_embed: asRow(1, 'positional_embedding'),
    'patch_embed.proj.weight': stored('conv1.weight'),
    'blocks.{}.attn.qkv.weight': stored('transformer.resblocks.{}.attn.in_proj_weight'),
    'blocks.{}.attn.qkv.bias': stored('transformer.resblocks.{}.attn.in_proj_bias'),
    ...both({ norm_pre: ['ln_pre'] }),
    ...ofBlocks('transformer.resblocks', {
      norm1: ['ln_1'], 'attn.proj': ['attn.out_proj'], norm2: ['ln_2'], 'mlp.fc1': ['mlp.c_fc'], 'mlp.fc2': ['mlp.c_proj'],
    }),
  },
  block: /^transformer\.resblocks\.(\d+)\./,
  foreign: /^(transformer\.resblocks\.\d+\.|conv1\.bias)/,
  defaults: CLIP,
};

/** It has no CLS token, and is here for a clear error. */
const huggingFaceSiglip: Family = {
  label: "Hugging Face's names of SigLIP",
  anchor: 'embeddings.patch_embedding.bias',
  table: { cls_token: stored('embeddings.class_embedding') },
  block: huggingFaceClip.block,
  foreign: huggingFaceClip.foreign,
  defaults: CLIP,
};

/** In the order of trial: those with marks before others with the same anchor. */
export const families: readonly Family[] = [
  dino3, timmDino3, timm, huggingFaceDino3, huggingFaceDino2, huggingFaceVit, openAiClip, huggingFaceClip,
  huggingFaceSiglip,
];
