/** Cross-attention from a feature map to a few tokens, and the encoder that makes the tokens. Composed of other ops: a dozen keys need no kernel of their own. */
import { add, concat, gelu, layernorm, linear, matmul, reshape, scale, softmax, type Tensor } from '../../engine/index.js';
import { linearSpec, normSpec, type ParameterSpec } from './parameters.js';

type Parameters = (name: string) => Tensor;

/**
 * Which tokens an appearance becomes. `layers`: the CLS token of every layer, and a learned one that depends on nothing, so that a
 * pixel may look away. `expanded`: the last layer's CLS token made into several. `single`: the last layer's as it is, the ablation:
 * softmax over one key is 1, so every pixel gets the same vector.
 */
export type TokenMode = 'layers' | 'expanded' | 'single';

export interface EncoderSizes {
  readonly mode: TokenMode;
  /** CLS tokens of a photo: layers of the ViT and its width. */
  readonly layers: number;
  readonly dim: number;
  /** Width of the tokens made. */
  readonly width: number;
  /** How many tokens `expanded` makes. */
  readonly expanded: number;
}

const EPS = 1e-6;
/** Rows of the condition that the encoder reads, and tokens it makes of them. */
const inputsOf = ({ mode, layers }: EncoderSizes): number => (mode === 'layers' ? layers : 1);
const outputsOf = ({ mode, expanded }: EncoderSizes): number => (mode === 'expanded' ? expanded : 1);

export function encoderParameters(sizes: EncoderSizes): ParameterSpec[] {
  const { mode, dim, width } = sizes;
  return [
    ...normSpec('encoder.norm', dim),
    ...linearSpec('encoder.fc1', width, dim),
    { name: 'encoder.place', shape: [inputsOf(sizes), width], kind: 'embedding', trained: true },
    ...linearSpec('encoder.fc2', outputsOf(sizes) * width, width),
    ...normSpec('encoder.out', width),
    ...(mode === 'layers' ? [{ name: 'encoder.null', shape: [1, width], kind: 'embedding', trained: true } as const] : []),
  ];
}

/** CLS tokens [layers, dim], last layer last, to tokens [T, width]: MLP with layer norms, each layer with a learned vector of its own. */
export function encode(p: Parameters, cls: Tensor, sizes: EncoderSizes): Tensor {
  const { mode, width } = sizes;
  const norm = (name: string, x: Tensor): Tensor => layernorm(x, p(`${name}.weight`), p(`${name}.bias`), EPS);
  const layer = (name: string, x: Tensor): Tensor => linear(x, p(`${name}.weight`), p(`${name}.bias`));
  const hidden = gelu(add(layer('encoder.fc1', norm('encoder.norm', cls)), p('encoder.place')));
  const rows = layer('encoder.fc2', hidden);
  const tokens = norm('encoder.out', mode === 'expanded' ? reshape(rows, [outputsOf(sizes), width]) : rows);
  return mode === 'layers' ? concat([tokens, p('encoder.null')], 0) : tokens;
}

export interface AttentionSizes {
  /** Of the feature map. */
  readonly channels: number;
  /** Of the tokens. */
  readonly tokens: number;
  readonly heads: number;
  readonly headSize: number;
}

export function attentionParameters(name: string, { channels, tokens, heads, headSize }: AttentionSizes): ParameterSpec[] {
  const A = heads * headSize;
  const product = (part: string, O: number, C: number, kind: ParameterSpec['kind']): ParameterSpec => ({ name: `${name}.${part}.weight`, shape: [O, C], kind, trained: true });
  return [
    product('query', A, channels, 'linear.weight'),
    product('key', A, tokens, 'linear.weight'),
    product('value', A, tokens, 'linear.weight'),
    product('out', channels, A, 'zero'),
  ];
}

/**
 * x + Wo softmax(q k^T / sqrt(headSize)) v per pixel, with q = Wq x of the feature map [1, C, H, W] and k, v = Wk t, Wv t of the
 * tokens [T, E] (Vaswani et al. 2017, without biases). Channels stay outermost throughout, so nothing is transposed in memory. Wo
 * starts as zeros: at first x goes through unchanged.
 */
export function crossAttention(p: Parameters, name: string, x: Tensor, tokens: Tensor, { heads, headSize }: Pick<AttentionSizes, 'heads' | 'headSize'>): Tensor {
  const [, C, H, W] = x.shape as [number, number, number, number];
  const [N, T, A] = [H * W, tokens.shape[0]!, heads * headSize];
  const w = (part: string): Tensor => p(`${name}.${part}.weight`);
  const ofTokens = (part: string): Tensor => matmul(w(part), tokens, { transposeB: true });
  const perHead = (t: Tensor, columns: number): Tensor => reshape(t, [heads, headSize, columns]);
  const q = perHead(matmul(w('query'), reshape(x, [C, N])), N);
  const k = perHead(scale(ofTokens('key'), headSize ** -0.5), T);
  const v = perHead(ofTokens('value'), T);
  const weights = softmax(matmul(q, k, { transposeA: true }));
  const mixed = reshape(matmul(v, weights, { transposeB: true }), [A, N]);
  return add(x, reshape(matmul(w('out'), mixed), x.shape));
}
