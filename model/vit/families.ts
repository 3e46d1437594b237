/**
 * Names of a ViT's parameters in checkpoints. A family is one table from this project's names (DINO's and timm's) to the sources
 * of the values. `{}` is the number of a block.
 */
import { IMAGENET_MEAN, IMAGENET_STD, type VitConfig } from './config.js';

/** Sources of one parameter: several are concatenated, and `ones` sizes of 1 are put before the stored shape. */
export interface Source {
  readonly names: readonly string[];
  readonly ones?: number;
}

export interface Family {
  /** Its name in errors. */
  readonly label: string;
  /** The tensor that identifies the family; the text before it in a file is the prefix of all names. */
  readonly anchor: string;
  readonly table: Readonly<Record<string, Source>>;
  /** The common prefix of the names of a block. */
  readonly block: RegExp;
  /** Parts of other architectures under the family's names; without them the features would be wrong, with no error. */
  readonly foreign: RegExp;
  /** Values that shapes do not determine; settings replace them. */
  readonly defaults: Pick<VitConfig, 'eps' | 'mean' | 'std' | 'activation'>;
}

const stored = (...names: string[]): Source => ({ names });
const asRow = (ones: number, name: string): Source => ({ names: [name], ones });

/** Weight and bias of modules such as `blocks.{}.norm1`, from those of modules under other names. */
const both = (pairs: Readonly<Record<string, readonly string[]>>): Record<string, Source> =>
  Object.fromEntries(Object.entries(pairs).flatMap(([target, sources]) =>
    ['weight', 'bias'].map((part) => [`${target}.${part}`, stored(...sources.map((s) => `${s}.${part}`))])));

/** The same for the modules of every block, the sources below `prefix` and the block's number. */
const ofBlocks = (prefix: string, modules: Readonly<Record<string, readonly string[]>>): Record<string, Source> =>
  both(Object.fromEntries(Object.entries(modules).map(([target, sources]) =>
    [`blocks.{}.${target}`, sources.map((s) => `${prefix}.{}.${s}`)])));

const OWN_BLOCK = ['norm1', 'attn.qkv', 'attn.proj', 'norm2', 'mlp.fc1', 'mlp.fc2'].map((part) => `blocks.{}.${part}`);

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
    ...both(Object.fromEntries(['patch_embed.proj', ...OWN_BLOCK].map((name) => [name, [name]]))),
  },
  block: /^blocks\.(\d+)\./,
  foreign: /^(blocks\.\d+\.|reg_token|register_tokens|dist_token|norm_pre\.|pos_drop\.)/,
  defaults: { eps: 1e-6, mean: IMAGENET_MEAN, std: IMAGENET_STD },
};

const huggingFaceVit: Family = {
  label: "Hugging Face's ViT names",
  anchor: 'embeddings.patch_embeddings.projection.weight',
  table: {
    cls_token: stored('embeddings.cls_token'),
    pos_embed: stored('embeddings.position_embeddings'),
    ...both({ 'patch_embed.proj': ['embeddings.patch_embeddings.projection'] }),
    ...ofBlocks('encoder.layer', {
      norm1: ['layernorm_before'], 'attn.qkv': ['query', 'key', 'value'].map((part) => `attention.attention.${part}`),
      'attn.proj': ['attention.output.dense'], norm2: ['layernorm_after'],
      'mlp.fc1': ['intermediate.dense'], 'mlp.fc2': ['output.dense'],
    }),
  },
  block: /^encoder\.layer\.(\d+)\./,
  foreign: /^(encoder\.layer\.\d+\.|embeddings\.(distillation|register))/,
  defaults: { eps: 1e-12, mean: IMAGENET_MEAN, std: IMAGENET_STD },
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

/** In the order of trial. */
export const families: readonly Family[] = [timm, huggingFaceVit, openAiClip, huggingFaceClip];
