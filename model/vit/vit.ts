/** A vision transformer as a graph: features of all layers or those of the losses, with frozen or trained parameters. */
import {
  add, attention, attentionCls, concat, gelu, layernorm, linear, matmul, patchEmbed, quickGelu, scale, slice, softmax,
  type Engine, type Graph, type Tensor,
} from '../../engine/index.js';
import { FACETS, type Facet, type VitConfig, type VitModel } from './config.js';
import { interpolatePositions } from './positions.js';

/** Outputs of one block: the tokens [B, T, C] after it, and its queries, keys and values next to each other [B, T, 3C]. */
export interface VitLayer {
  readonly tokens: Tensor;
  readonly qkv: Tensor;
}

/** Inputs of the losses: the last block's keys [B, T, C] and CLS token [B, 1, C] before the final norm. */
export interface VitFeatures {
  readonly keys: Tensor;
  readonly cls: Tensor;
}

/** One engine may hold a ViT in both precisions: a judge's is independent of the run's. */
const named = ({ name: model, precision = 'f32' }: VitModel, name: string): string =>
  `vit.${model}${precision === 'f32' ? '' : ` ${precision}`}.${name}`;

/** Appends what `build` makes of a ViT in the ViT's precision. */
const inPrecision = <T>(g: Graph, { precision }: VitModel, build: () => T): T => (precision === 'f16' ? g.half(build) : build());

/** Uploads the weights, except CLS token and position embeddings, whose tables depend on batch and image. */
export function uploadVit(engine: Engine, vit: VitModel): void {
  for (const [name, { shape, data }] of vit.weights) {
    if (name !== 'pos_embed' && name !== 'cls_token') engine.writeParameter(named(vit, name), shape, data, vit.precision);
  }
}

/** Tables derived from a model's weights. A constant is identified by its array, so all programs share one buffer per table. */
const tables = new WeakMap<VitModel, Map<string, Float32Array>>();

function tableOf(vit: VitModel, key: string, make: () => Float32Array): Float32Array {
  const known = tables.get(vit) ?? new Map<string, Float32Array>();
  tables.set(vit, known);
  const table = known.get(key) ?? make();
  known.set(key, table);
  return table;
}

/** A ViT's parameters as tensors of a graph. */
export interface VitParameters {
  readonly config: VitConfig;
  /** By the checkpoint's key. */
  readonly get: (name: string) => Tensor;
  /** The CLS token, once per image of a batch: [B, 1, C]. */
  readonly cls: (B: number) => Tensor;
  /** Position embeddings of the CLS token and a grid of patches: [1 + rows * cols, C]. */
  readonly positions: (rows: number, cols: number) => Tensor;
}

/** The frozen parameters that `uploadVit` put on the device. */
function frozen(g: Graph, vit: VitModel): VitParameters {
  const { config: { dim }, weights } = vit;
  const stored = (name: string) => weights.get(name)!;
  return {
    config: vit.config,
    get: (name) => g.parameter(named(vit, name), stored(name).shape),
    cls: (B) => {
      const { data } = stored('cls_token');
      const table = tableOf(vit, `cls ${B}`, () => Float32Array.from({ length: B * dim }, (_, i) => data[i % dim]!));
      return g.constant(table, [B, 1, dim]);
    },
    positions: (rows, cols) => {
      const table = tableOf(vit, `positions ${rows}x${cols}`, () => interpolatePositions(stored('pos_embed'), rows, cols));
      return g.constant(table, [1 + rows * cols, dim]);
    },
  };
}

/** The ViT's layer norm and linear layer `name` of a tensor. */
const norm = ({ get, config }: VitParameters, name: string, x: Tensor): Tensor =>
  layernorm(x, get(`${name}.weight`), get(`${name}.bias`), config.eps);
const layer = ({ get }: VitParameters, name: string, x: Tensor): Tensor => linear(x, get(`${name}.weight`), get(`${name}.bias`));

/** Tokens [B, T, C] of normalised images [B, 3, H, W]: CLS token and patches with positions, in CLIP's image tower normalised. */
function embed(parameters: VitParameters, x: Tensor): Tensor {
  const { config: { patch, preNorm }, get, cls, positions } = parameters;
  const [B, , H, W] = x.shape as [number, number, number, number];
  const patches = patchEmbed(x, get('patch_embed.proj.weight'), preNorm ? undefined : get('patch_embed.proj.bias'));
  const tokens = add(concat([cls(B), patches], 1), positions(Math.floor(H / patch), Math.floor(W / patch)));
  return preNorm ? norm(parameters, 'norm_pre', tokens) : tokens;
}

/** Queries, keys and values of block `name` for tokens `t`. */
const project = (parameters: VitParameters, name: string, t: Tensor): Tensor =>
  layer(parameters, `${name}.attn.qkv`, norm(parameters, `${name}.norm1`, t));

/** The rest of the block, for tokens `t` with attention `a`. */
function rest(parameters: VitParameters, name: string, t: Tensor, a: Tensor): Tensor {
  const activate = parameters.config.activation === 'quickGelu' ? quickGelu : gelu;
  const mixed = add(layer(parameters, `${name}.attn.proj`, a), t);
  const hidden = layer(parameters, `${name}.mlp.fc1`, norm(parameters, `${name}.norm2`, mixed));
  return add(layer(parameters, `${name}.mlp.fc2`, activate(hidden)), mixed);
}

/** The first `count` layers for embedded tokens. */
function layersOf(parameters: VitParameters, embedded: Tensor, count: number): VitLayer[] {
  let tokens = embedded;
  return Array.from({ length: count }, (_, i) => {
    const qkv = project(parameters, `blocks.${i}`, tokens);
    tokens = rest(parameters, `blocks.${i}`, tokens, attention(qkv, parameters.config.heads));
    return { tokens, qkv };
  });
}

/** All layers of normalised images [B, 3, H, W]; unused ones are never computed. */
export const vitLayers = (g: Graph, vit: VitModel, x: Tensor): VitLayer[] => inPrecision(g, vit, () => {
  const parameters = frozen(g, vit);
  return layersOf(parameters, embed(parameters, x), vit.config.depth);
});

/** Queries, keys or values of a layer: [B, T, C], the CLS row first. */
export function facet({ qkv }: Pick<VitLayer, 'qkv'>, name: Exclude<Facet, 'tokens'>): Tensor {
  const [C, which] = [qkv.shape[2]! / 3, FACETS.indexOf(name)];
  return slice(qkv, 2, which * C, (which + 1) * C);
}

export const facetOf = (of: VitLayer, name: Facet): Tensor => (name === 'tokens' ? of.tokens : facet(of, name));

/** Inputs of the losses for normalised images [B, 3, H, W]. In the last block only the CLS row passes attention and MLP. */
export const vitFeatures = (g: Graph, vit: VitModel, x: Tensor): VitFeatures =>
  inPrecision(g, vit, () => featuresWith(frozen(g, vit), x));

/** `vitFeatures` with given parameters. */
export function featuresWith(parameters: VitParameters, x: Tensor): VitFeatures {
  const { depth, heads } = parameters.config;
  const embedded = embed(parameters, x);
  const tokens = layersOf(parameters, embedded, depth - 1).at(-1)?.tokens ?? embedded;
  const last = `blocks.${depth - 1}`;
  const qkv = project(parameters, last, tokens);
  return { keys: facet({ qkv }, 'keys'), cls: rest(parameters, last, slice(tokens, 1, 0, 1), attentionCls(qkv, heads)) };
}

/** Attention of the CLS token over all tokens, per head: [B, T] each. */
export function clsAttention({ config: { heads, dim } }: VitModel, of: Pick<VitLayer, 'qkv'>): Tensor[] {
  const size = dim / heads;
  const [queries, keys] = [slice(facet(of, 'queries'), 1, 0, 1), facet(of, 'keys')];
  return Array.from({ length: heads }, (_, h) => {
    const part = (t: Tensor): Tensor => slice(t, 2, h * size, (h + 1) * size);
    return softmax(scale(matmul(part(queries), part(keys), { transposeB: true }), size ** -0.5));
  });
}
