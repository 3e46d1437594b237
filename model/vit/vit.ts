/** A vision transformer as a graph: features of all layers or those of the losses, with frozen or trained parameters. */
import {
  add, attention, attentionCls, concat, gelu, layernorm, linear, matmul, movePeaks, mul, patchEmbed, quickGelu, rotary, scale,
  silu, slice, softmax, type Engine, type Graph, type Tensor,
} from '../../engine/index.js';
import { joined } from '../rows.js';
import { FACETS, isTable, type Facet, type VitConfig, type VitModel } from './config.js';
import { interpolatePositions } from './positions.js';
import { rotaryTable } from './rotary.js';

/** Outputs of one block. T counts CLS and patches, R also the registers, which come last. */
export interface VitLayer {
  /** The tokens after the block, without registers: [B, T, C]. */
  readonly tokens: Tensor;
  /** Queries, keys and values of all tokens next to each other: [B, R, 3C]. */
  readonly qkv: Tensor;
  /** The same as attention takes them: rotated if the ViT has rotary positions. */
  readonly placed: Tensor;
  /** Activations of the MLP's hidden units: [B, R, hidden]. */
  readonly hidden: Tensor;
}

/** Inputs of the losses: the last block's keys [B, T, C] and CLS token [B, 1, C] before the final norm. */
export interface VitFeatures {
  readonly keys: Tensor;
  readonly cls: Tensor;
  /** The keys of the layers that were asked for, each [B, T, C]; the last block's when none were. */
  readonly layerKeys: readonly Tensor[];
  /** The tokens of the patches after the last block, [B, T - 1, C], if asked for. */
  readonly patches?: Tensor;
}

/** Features that cost more than those of the published losses. */
export interface MoreFeatures {
  /** Layers, the first is 0. */
  readonly keyLayers?: readonly number[];
  readonly patches?: boolean;
}

/** One engine may hold a ViT in both precisions: a judge's is independent of the run's. */
const named = ({ name: model, precision = 'f32' }: VitModel, name: string): string =>
  `vit.${model}${precision === 'f32' ? '' : ` ${precision}`}.${name}`;

/** Appends what `build` makes of a ViT in the ViT's precision. */
const inPrecision = <T>(g: Graph, { precision }: VitModel, build: () => T): T => (precision === 'f16' ? g.half(build) : build());

/** Uploads the weights, except those that become tables. */
export function uploadVit(engine: Engine, vit: VitModel): void {
  for (const [name, { shape, data }] of vit.weights) {
    if (!isTable(name)) engine.writeParameter(named(vit, name), shape, data, vit.precision);
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
  /** The registers, once per image of a batch: [B, registers, C]; of a ViT that has any. */
  readonly registers?: (B: number) => Tensor;
  /** Of a ViT with learned positions: those of CLS token, a grid of patches and registers (zeros), [R, C]. */
  readonly positions?: (rows: number, cols: number) => Tensor;
  /** The units of a layer's MLP whose peaks move to the register: [hidden], 1 or 0; absent if there are none. */
  readonly moved?: (layer: number) => Tensor | undefined;
  /** Of a ViT with rotary positions: the table of the same tokens for `rotary`. */
  readonly angles?: (rows: number, cols: number) => Tensor;
}

/** The frozen parameters that `uploadVit` put on the device. */
function frozen(g: Graph, vit: VitModel): VitParameters {
  const { config: { dim, hidden, positions, registers = 0, registerNeurons = [] }, weights } = vit;
  const stored = (name: string) => weights.get(name)!;
  const repeated = (name: string, count: number) => (B: number): Tensor => {
    const { data } = stored(name);
    const length = B * data.length;
    const table = tableOf(vit, `${name} ${B}`, () => Float32Array.from({ length }, (_, i) => data[i % data.length]!));
    return g.constant(table, [B, count, dim]);
  };
  const gridTable = (shape: readonly number[], make: (rows: number, cols: number) => Float32Array) =>
    (rows: number, cols: number): Tensor =>
      g.constant(tableOf(vit, `positions ${rows}x${cols}`, () => make(rows, cols)), [1 + rows * cols + registers, ...shape]);
  return {
    config: vit.config,
    get: (name) => g.parameter(named(vit, name), stored(name).shape),
    cls: repeated('cls_token', 1),
    ...(registers > 0 && { registers: repeated('register_tokens', registers) }),
    moved: (layer) => {
      const units = registerNeurons.flatMap(([of, unit]) => (of === layer ? [unit] : []));
      if (units.length === 0) return undefined;
      const make = (): Float32Array => Float32Array.from({ length: hidden }, (_, unit) => Number(units.includes(unit)));
      return g.constant(tableOf(vit, `moved ${layer}`, make), [hidden]);
    },
    ...(positions === 'rotary' ? {
      angles: gridTable([2, 2 * stored('rope_embed.periods').data.length], (rows, cols) =>
        rotaryTable(stored('rope_embed.periods'), rows, cols, registers)),
    } : {
      positions: gridTable([dim], (rows, cols) => {
        const own = interpolatePositions(stored('pos_embed'), rows, cols, positions === 'antialiased');
        return registers > 0 ? joined([own, new Float32Array(registers * dim)]) : own;
      }),
    }),
  };
}

/** The ViT's layer norm and linear layer `name` of a tensor. */
const norm = ({ get, config }: VitParameters, name: string, x: Tensor): Tensor =>
  layernorm(x, get(`${name}.weight`), get(`${name}.bias`), config.eps);
const layer = ({ get }: VitParameters, name: string, x: Tensor): Tensor => linear(x, get(`${name}.weight`), get(`${name}.bias`));

/** The tokens before the first block, and what places them in every block. */
interface Embedded {
  /** CLS token, patches and registers: [B, R, C]. */
  readonly tokens: Tensor;
  /** Without registers. */
  readonly T: number;
  /** Queries, keys and values with rotary positions. */
  readonly place: (qkv: Tensor) => Tensor;
}

/** Embeds normalised images [B, 3, H, W]: with learned positions, if it has those, and in CLIP's image tower normalised. */
function embed(parameters: VitParameters, x: Tensor): Embedded {
  const { config: { patch, heads, preNorm }, get, cls, registers, positions, angles } = parameters;
  const [B, , H, W] = x.shape as [number, number, number, number];
  const grid = [Math.floor(H / patch), Math.floor(W / patch)] as const;
  const patches = patchEmbed(x, get('patch_embed.proj.weight'), preNorm ? undefined : get('patch_embed.proj.bias'));
  const bare = concat([cls(B), patches, ...(registers ? [registers(B)] : [])], 1);
  const tokens = positions ? add(bare, positions(...grid)) : bare;
  const table = angles?.(...grid);
  return {
    tokens: preNorm ? norm(parameters, 'norm_pre', tokens) : tokens,
    T: 1 + grid[0] * grid[1],
    place: table ? (qkv) => rotary(qkv, table, heads) : (qkv) => qkv,
  };
}

/** Queries, keys and values of block `i` for tokens `t`. */
const project = (parameters: VitParameters, i: number, t: Tensor): Tensor =>
  layer(parameters, `blocks.${i}.attn.qkv`, norm(parameters, `blocks.${i}.norm1`, t));

/** The MLP's activations, of SwiGLU's two halves or of one. */
function activated({ gated, activation, hidden }: VitConfig, x: Tensor): Tensor {
  if (gated) return mul(silu(slice(x, 2, 0, hidden)), slice(x, 2, hidden, 2 * hidden));
  return activation === 'quickGelu' ? quickGelu(x) : gelu(x);
}

/** The rest of block `i`, for tokens `t` with attention `a`: the tokens after it, and the MLP's activations. */
function rest(parameters: VitParameters, i: number, t: Tensor, a: Tensor): Pick<VitLayer, 'tokens' | 'hidden'> {
  const name = `blocks.${i}`;
  const mixed = add(layer(parameters, `${name}.attn.proj`, a), t);
  const hidden = activated(parameters.config, layer(parameters, `${name}.mlp.fc1`, norm(parameters, `${name}.norm2`, mixed)));
  const moved = parameters.moved?.(i);
  return { tokens: add(layer(parameters, `${name}.mlp.fc2`, moved ? movePeaks(hidden, moved) : hidden), mixed), hidden };
}

/** The first `count` layers, with the tokens of registers. */
function layersOf(parameters: VitParameters, { tokens: embedded, place }: Embedded, count: number): VitLayer[] {
  let tokens = embedded;
  return Array.from({ length: count }, (_, i) => {
    const qkv = project(parameters, i, tokens);
    const placed = place(qkv);
    const after = rest(parameters, i, tokens, attention(placed, parameters.config.heads));
    tokens = after.tokens;
    return { ...after, qkv, placed };
  });
}

/** The first T rows of t [B, R, C]. */
const firstRows = (t: Tensor, T: number): Tensor => (t.shape[1] === T ? t : slice(t, 1, 0, T));

/** All layers of normalised images [B, 3, H, W]; unused ones are never computed. */
export const vitLayers = (g: Graph, vit: VitModel, x: Tensor): VitLayer[] => inPrecision(g, vit, () => {
  const parameters = frozen(g, vit);
  const embedded = embed(parameters, x);
  return layersOf(parameters, embedded, vit.config.depth)
    .map((of) => ({ ...of, tokens: firstRows(of.tokens, embedded.T) }));
});

/** Queries, keys or values of all tokens [B, R, 3C]: [B, R, C]. */
function part(qkv: Tensor, name: Exclude<Facet, 'tokens'>): Tensor {
  const [C, which] = [qkv.shape[2]! / 3, FACETS.indexOf(name)];
  return slice(qkv, 2, which * C, (which + 1) * C);
}

/** Queries, keys or values of a layer before any rotation: [B, T, C], the CLS row first, without registers. */
export const facet = ({ tokens, qkv }: Pick<VitLayer, 'tokens' | 'qkv'>, name: Exclude<Facet, 'tokens'>): Tensor =>
  firstRows(part(qkv, name), tokens.shape[1]!);

export const facetOf = (of: VitLayer, name: Facet): Tensor => (name === 'tokens' ? of.tokens : facet(of, name));

/**
 * Inputs of the losses for normalised images [B, 3, H, W]. In the last block only the CLS row passes attention and MLP, unless
 * the patches' tokens are asked for.
 */
export const vitFeatures = (g: Graph, vit: VitModel, x: Tensor, more: MoreFeatures = {}): VitFeatures =>
  inPrecision(g, vit, () => featuresWith(frozen(g, vit), x, more));

/** `vitFeatures` with given parameters. */
export function featuresWith(parameters: VitParameters, x: Tensor, { keyLayers = [], patches }: MoreFeatures = {}): VitFeatures {
  const { depth, heads } = parameters.config;
  const embedded = embed(parameters, x);
  const layers = layersOf(parameters, embedded, depth - 1);
  const tokens = layers.at(-1)?.tokens ?? embedded.tokens;
  const qkv = project(parameters, depth - 1, tokens);
  const keysOf = (of: Tensor): Tensor => firstRows(part(of, 'keys'), embedded.T);
  const keys = keysOf(qkv);
  const layerKeys = keyLayers.length > 0 ? keyLayers.map((i) => (i === depth - 1 ? keys : keysOf(layers[i]!.qkv))) : [keys];
  const placed = embedded.place(qkv);
  const after = (t: Tensor, gathered: Tensor): Tensor => rest(parameters, depth - 1, t, gathered).tokens;
  if (!patches) return { keys, cls: after(slice(tokens, 1, 0, 1), attentionCls(placed, heads)), layerKeys };
  const all = after(tokens, attention(placed, heads));
  return { keys, cls: slice(all, 1, 0, 1), layerKeys, patches: slice(all, 1, 1, embedded.T) };
}

/** Attention of the CLS token over CLS and patches, per head: [B, T] each. What goes to registers is missing from the sum. */
export function clsAttention({ config: { heads, dim } }: VitModel, { tokens, placed }: VitLayer): Tensor[] {
  const [size, T] = [dim / heads, tokens.shape[1]!];
  const [queries, keys] = [slice(part(placed, 'queries'), 1, 0, 1), part(placed, 'keys')];
  return Array.from({ length: heads }, (_, h) => {
    const ofHead = (t: Tensor): Tensor => slice(t, 2, h * size, (h + 1) * size);
    const shares = softmax(scale(matmul(ofHead(queries), ofHead(keys), { transposeB: true }), size ** -0.5));
    return shares.shape.at(-1) === T ? shares : slice(shares, shares.shape.length - 1, 0, T);
  });
}
