/** Sizes, constants and weights of a vision transformer. */
import type { Dtype } from '../../engine/index.js';
import type { Weights } from '../files/safetensors.js';

export type { Weight, Weights } from '../files/safetensors.js';

/** Sizes of a ViT and how its input is normalised. */
export interface VitConfig {
  readonly dim: number;
  readonly depth: number;
  readonly heads: number;
  /** Side of a patch in pixels. */
  readonly patch: number;
  /** Side in pixels of the square images of its position embeddings. */
  readonly image: number;
  /** Hidden width of the MLP. */
  readonly hidden: number;
  /** Of the layer norms. */
  readonly eps: number;
  /** Per channel, of RGB in 0..1. */
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
  /** Of the MLP; GELU when absent. CLIP has x sigmoid(1.702 x). */
  readonly activation?: Activation;
  /** CLIP's image tower: a layer norm before the first block, and no bias of the patches. */
  readonly preNorm?: boolean;
  /** Tokens besides CLS and patches, which take part in attention and in nothing else (arXiv 2309.16588); none when absent. */
  readonly registers?: number;
  /** Of the patches; DINO's when absent. See `positions.ts` and `rotary.ts`. */
  readonly positions?: 'antialiased' | 'rotary';
  /** Neurons of MLPs whose largest activation moves to the register, which is then an added zero token: see `registers.ts`. */
  readonly registerNeurons?: readonly Neuron[];
  /** SwiGLU (arXiv 2002.05202) for the MLP: silu(W1 x) W2 x, with W1 above W2 in `fc1`. */
  readonly gated?: boolean;
}

/** A hidden unit of a block's MLP; both count from 0. */
export type Neuron = readonly [layer: number, unit: number];

export const ACTIVATIONS = ['gelu', 'quickGelu'] as const;
export type Activation = (typeof ACTIVATIONS)[number];

/** Queries, keys and values of a block (heads side by side, bias included), or the tokens after it, before the final norm. */
export const FACETS = ['queries', 'keys', 'values', 'tokens'] as const;
export type Facet = (typeof FACETS)[number];

export const IMAGENET_MEAN = [0.485, 0.456, 0.406] as const;
export const IMAGENET_STD = [0.229, 0.224, 0.225] as const;

/**
 * Blocks whose keys tell most about a scene, from 0: the one after two thirds of the depth, and the last. Keys of the last block
 * know what a thing is; those before still tell its parts and the grounds around it apart.
 */
export const keyBlocks = ({ depth }: Pick<VitConfig, 'depth'>): number[] =>
  [...new Set([Math.max(0, Math.round((2 / 3) * depth) - 1), depth - 1])];

/** Whether a parameter becomes tables on the device, which depend on batch and image. */
export const isTable = (name: string): boolean =>
  ['cls_token', 'register_tokens', 'pos_embed', 'rope_embed.periods'].includes(name);

/** A loaded ViT: sizes and frozen parameters. */
export interface VitModel {
  readonly name: string;
  readonly config: VitConfig;
  readonly weights: Weights;
  /** Storage of weights and activations on the device; f32 when absent. */
  readonly precision?: Dtype;
}
