/** The trained network and its teacher: for each a ViT and a projection head in one flat buffer. */
import {
  adamwRoles, add, gelu, l2normalize, layernorm, linear, matmul, reshape, sizeOf, type Graph, type Tensor,
} from '../../engine/index.js';
import { bindParameters, placed, type Layout } from '../generators/parameters.js';
import { random, type Random } from '../random.js';
import type { VitConfig, Weight, Weights } from '../vit/config.js';
import { interpolatePositions } from '../vit/positions.js';
import { linear as linearShapes, vitParameters, type NamedShape } from '../vit/untrained.js';
import { featuresWith, type VitParameters } from '../vit/vit.js';
import { vitConfigOf, type PretrainOptions } from './options.js';

/** Weight-normalised without gains, and fixed at first. */
const LAST_LAYER = 'head.last_layer.weight_v';

/** Names (those of the published checkpoints, without their prefixes) and shapes of the projection head. */
const headParameters = ({ dim, headHidden: H, bottleneck: N, prototypes: K }: PretrainOptions): NamedShape[] => [
  ...linearShapes('head.mlp.0', H, dim), ...linearShapes('head.mlp.2', H, H), ...linearShapes('head.mlp.4', N, H),
  [LAST_LAYER, [K, N]],
];

/** Layout of the flat buffers; `head` is self-distillation's by default. */
export const networkLayout = (options: PretrainOptions, head: readonly NamedShape[] = headParameters(options)): Layout =>
  placed([...vitParameters(vitConfigOf(options)), ...head].map(([name, shape]) => ({ name, shape })));

/** AdamW's role of each element: biases and norms do not decay, gaps do not change. */
export function networkRoles({ slices, size }: Layout): Float32Array {
  const roles = new Float32Array(size).fill(adamwRoles.gap);
  for (const { name, shape, offset } of slices) {
    const role = name === LAST_LAYER ? adamwRoles.late : shape.length > 1 ? adamwRoles.decayed : adamwRoles.plain;
    roles.fill(role, offset, offset + sizeOf(shape));
  }
  return roles;
}

function truncated(next: Random): number {
  const value = next.normal();
  return Math.abs(value) <= 2 ? value : truncated(next);
}

const POSITION_AMPLITUDE = 0.5;

/**
 * Initial position embeddings [1 + g * g, C]: zeros for the CLS token, then sines and cosines of row and column (after Vaswani et
 * al., "Attention Is All You Need", 2017, section 3.5). They are trained like all others. With the published start, small noise,
 * the network would distinguish places only after hundreds of steps.
 */
function initialPositions(T: number, C: number): Float32Array {
  const g = Math.sqrt(T - 1);
  return Float32Array.from({ length: T * C }, (_, i) => {
    const [token, c] = [Math.floor(i / C) - 1, i % C];
    if (token < 0) return 0;
    const place = c % 2 === 0 ? Math.floor(token / g) : token % g;
    const angle = place * 10000 ** ((-4 * Math.floor(c / 4)) / C);
    return POSITION_AMPLITUDE * (c % 4 < 2 ? Math.sin(angle) : Math.cos(angle));
  });
}

/**
 * Initial weights. As published: CLS token truncated normal of deviation 0.02, biases 0, norms 1 and 0, patch embedding and last
 * layer uniform within 1 / sqrt(inputs). Matrices are truncated normal of deviation 1 / sqrt(inputs): the published 0.02 is for
 * 384 inputs and more, and makes the tokens of a narrow network so small that they hardly depend on the picture for long.
 */
export function initialWeights({ slices }: Layout, seed: number): Map<string, Weight> {
  return new Map(slices.map(({ name, shape }) => {
    if (name === 'pos_embed') return [name, { shape, data: initialPositions(shape[1]!, shape[2]!) }];
    const next = random(seed, 'pretrain', name);
    const bound = 1 / Math.sqrt(sizeOf(shape.slice(1)));
    const draw = /norm\d?\.weight/.test(name) ? () => 1
      : name === 'patch_embed.proj.weight' || name === LAST_LAYER ? () => next.between(-bound, bound)
      : shape.length === 2 ? () => bound * truncated(next)
      : shape.length > 2 ? () => 0.02 * truncated(next)
      : () => 0;
    return [name, { shape, data: Float32Array.from({ length: sizeOf(shape) }, draw) }];
  }));
}

/** The identity matrix [n, n]. */
export const identityMatrix = (n: number): Float32Array =>
  Float32Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0));

/** `interpolatePositions` as a matrix [1 + rows * cols, 1 + g * g], through which the embeddings can be trained. */
function positionMatrix(g: number, rows: number, cols: number): Float32Array {
  const T = 1 + g * g;
  return interpolatePositions({ shape: [1, T, T], data: identityMatrix(T) }, rows, cols);
}

export type BoundNetwork = ReturnType<typeof bindNetwork>;

/** The network whose weights are in the flat parameter `name`. */
export function bindNetwork(g: Graph, name: string, layout: Layout, config: VitConfig) {
  const { flat, views, get } = bindParameters(g, name, layout);
  const [C, side] = [config.dim, config.image / config.patch];
  const vit: VitParameters = {
    config,
    get,
    cls: (B) => add(g.constant(new Float32Array(B * C), [B, 1, C]), reshape(get('cls_token'), [1, C])),
    positions: (rows, cols) => {
      const own = reshape(get('pos_embed'), [1 + side * side, C]);
      if (rows === side && cols === side) return own;
      return matmul(g.constant(positionMatrix(side, rows, cols), [1 + rows * cols, 1 + side * side]), own);
    },
  };
  const layer = (x: Tensor, key: string): Tensor => linear(x, get(`${key}.weight`), get(`${key}.bias`));
  const norm = (x: Tensor): Tensor => layernorm(x, get('norm.weight'), get('norm.bias'), config.eps);
  return {
    flat,
    views,
    norm,
    /** The linear layer `key` of the head. */
    layer,
    /** The ViT's features of normalised images [B, 3, H, W]. */
    features: (x: Tensor) => featuresWith(vit, x),
    /** Logits [N, K] of CLS tokens [N, C] before the final norm, by self-distillation's head. */
    project: (cls: Tensor): Tensor => {
      const low = layer(gelu(layer(gelu(layer(norm(cls), 'head.mlp.0')), 'head.mlp.2')), 'head.mlp.4');
      return linear(l2normalize(low), l2normalize(get(LAST_LAYER)));
    },
  };
}

/** The ViT's part of the weights, final norm included. */
export const vitPart = (weights: Weights): Map<string, Weight> =>
  new Map([...weights].filter(([name]) => !name.startsWith('head.')));
