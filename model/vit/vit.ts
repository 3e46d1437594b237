/** A vision transformer as a graph: features of every layer or only what the losses need, of frozen parameters or of trained ones. */
import { add, attention, attentionCls, concat, gelu, layernorm, linear, matmul, patchEmbed, quickGelu, scale, slice, softmax, type Engine, type Graph, type Tensor } from '../../engine/index.js';
import type { VitConfig, VitModel } from './config.js';
import { interpolatePositions } from './positions.js';

/** What one block made: tokens [B, T, C] after it, and its queries, keys and values side by side [B, T, 3C]. */
export interface VitLayer {
  readonly tokens: Tensor;
  readonly qkv: Tensor;
}

/** What the losses look at: the last block's keys [B, T, C] and CLS token [B, 1, C] before the final norm. */
export interface VitFeatures {
  readonly keys: Tensor;
  readonly cls: Tensor;
}

/** One engine may hold a ViT in both precisions: a judge's does not follow the run's. */
const named = ({ name: model, precision = 'f32' }: VitModel, name: string): string => `vit.${model}${precision === 'f32' ? '' : ` ${precision}`}.${name}`;

/** Appends what `build` makes of a ViT in the ViT's precision. */
const inPrecision = <T>(g: Graph, { precision }: VitModel, build: () => T): T => (precision === 'f16' ? g.half(build) : build());

/** Puts the weights on the device, under the names the graphs use. Position embeddings stay here: they depend on the image size. */
export function uploadVit(engine: Engine, vit: VitModel): void {
  for (const [name, { shape, data }] of vit.weights) {
    if (name !== 'pos_embed' && name !== 'cls_token') engine.writeParameter(named(vit, name), shape, data, vit.precision);
  }
}

/** Tables derived from a model's weights, made once each so that all programs share their buffers: a constant is known by its array. */
const tables = new WeakMap<VitModel, Map<string, Float32Array>>();

function tableOf(vit: VitModel, key: string, make: () => Float32Array): Float32Array {
  const known = tables.get(vit) ?? new Map<string, Float32Array>();
  tables.set(vit, known);
  const table = known.get(key) ?? make();
  known.set(key, table);
  return table;
}

/** The position embeddings of a grid of patches. */
const positionTable = (vit: VitModel, rows: number, cols: number): Float32Array =>
  tableOf(vit, `positions ${rows}x${cols}`, () => interpolatePositions(vit.weights.get('pos_embed')!, rows, cols));

/** The CLS token, once per image of a batch. */
const clsTable = (vit: VitModel, B: number): Float32Array => tableOf(vit, `cls ${B}`, () => {
  const cls = vit.weights.get('cls_token')!.data;
  return Float32Array.from({ length: B * cls.length }, (_, i) => cls[i % cls.length]!);
});

/** A ViT's parameters as tensors of a graph, wherever they live. */
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
  const { dim } = vit.config;
  return {
    config: vit.config,
    get: (name) => g.parameter(named(vit, name), vit.weights.get(name)!.shape),
    cls: (B) => g.constant(clsTable(vit, B), [B, 1, dim]),
    positions: (rows, cols) => g.constant(positionTable(vit, rows, cols), [1 + rows * cols, dim]),
  };
}

/** Patches of normalised images [B, 3, H, W], the CLS token before them, positions added and, in CLIP's image tower, normalised: [B, T, C]. */
function embed({ config: { patch, eps, preNorm }, get, cls, positions }: VitParameters, x: Tensor): Tensor {
  const [B, , H, W] = x.shape as [number, number, number, number];
  const patches = patchEmbed(x, get('patch_embed.proj.weight'), preNorm ? undefined : get('patch_embed.proj.bias'));
  const tokens = add(concat([cls(B), patches], 1), positions(Math.floor(H / patch), Math.floor(W / patch)));
  return preNorm ? layernorm(tokens, get('norm_pre.weight'), get('norm_pre.bias'), eps) : tokens;
}

/** One block's pieces, with its parameters bound. */
function block({ config: { heads, eps, activation }, get }: VitParameters, index: number) {
  const activate = activation === 'quickGelu' ? quickGelu : gelu;
  const p = (name: string): Tensor => get(`blocks.${index}.${name}`);
  return {
    qkv: (t: Tensor): Tensor => linear(layernorm(t, p('norm1.weight'), p('norm1.bias'), eps), p('attn.qkv.weight'), p('attn.qkv.bias')),
    attention: (qkv: Tensor): Tensor => attention(qkv, heads),
    attentionCls: (qkv: Tensor): Tensor => attentionCls(qkv, heads),
    /** The rest of the block on tokens `t` whose attention gave `a`. */
    rest: (t: Tensor, a: Tensor): Tensor => {
      const mixed = add(linear(a, p('attn.proj.weight'), p('attn.proj.bias')), t);
      const hidden = linear(layernorm(mixed, p('norm2.weight'), p('norm2.bias'), eps), p('mlp.fc1.weight'), p('mlp.fc1.bias'));
      return add(linear(activate(hidden), p('mlp.fc2.weight'), p('mlp.fc2.bias')), mixed);
    },
  };
}

/** All layers of normalised images [B, 3, H, W]; what is not used is never computed. */
export const vitLayers = (g: Graph, vit: VitModel, x: Tensor): VitLayer[] => inPrecision(g, vit, () => {
  const parameters = frozen(g, vit);
  let tokens = embed(parameters, x);
  return Array.from({ length: vit.config.depth }, (_, i) => {
    const b = block(parameters, i);
    const qkv = b.qkv(tokens);
    tokens = b.rest(tokens, b.attention(qkv));
    return { tokens, qkv };
  });
});

/** Queries (0), keys (1) or values (2) of a layer: [B, T, C]. */
export function facet({ qkv }: Pick<VitLayer, 'qkv'>, which: 0 | 1 | 2): Tensor {
  const C = qkv.shape[2]! / 3;
  return slice(qkv, 2, which * C, (which + 1) * C);
}

/** What the losses need of normalised images [B, 3, H, W]. Of the last block only the CLS row goes through attention and MLP. */
export const vitFeatures = (g: Graph, vit: VitModel, x: Tensor): VitFeatures => inPrecision(g, vit, () => featuresWith(frozen(g, vit), x));

/** `vitFeatures` with parameters from elsewhere. */
export function featuresWith(parameters: VitParameters, x: Tensor): VitFeatures {
  const { depth } = parameters.config;
  let tokens = embed(parameters, x);
  for (let i = 0; i < depth - 1; i++) {
    const b = block(parameters, i);
    tokens = b.rest(tokens, b.attention(b.qkv(tokens)));
  }
  const last = block(parameters, depth - 1);
  const qkv = last.qkv(tokens);
  return { keys: facet({ qkv }, 1), cls: last.rest(slice(tokens, 1, 0, 1), last.attentionCls(qkv)) };
}

/** Attention of the CLS token over all tokens, per head: [B, T] each. */
export function clsAttention(vit: VitModel, layer: Pick<VitLayer, 'qkv'>): Tensor[] {
  const { heads, dim } = vit.config;
  const size = dim / heads;
  const [queries, keys] = [slice(facet(layer, 0), 1, 0, 1), facet(layer, 1)];
  return Array.from({ length: heads }, (_, h) => {
    const part = (t: Tensor): Tensor => slice(t, 2, h * size, (h + 1) * size);
    return softmax(scale(matmul(part(queries), part(keys), { transposeB: true }), size ** -0.5));
  });
}
