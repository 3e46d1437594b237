/** Cross-attention from a feature map to a few tokens, and the tokens' encoder. A dozen keys need no kernel of their own. */
import { add, concat, gelu, layernorm, linear, matmul, reshape, scale, softmax, type Tensor } from '../../engine/index.js';
import { linearSpec, normSpec, type ParameterSpec } from './parameters.js';
import type { ConditionalSizes } from './sizes.js';

type Parameters = (name: string) => Tensor;

const EPS = 1e-6;
/** Rows of the condition that the encoder reads, and tokens it makes of them. */
const inputsOf = ({ tokens, layers }: ConditionalSizes): number => (tokens === 'layers' ? layers : 1);
const outputsOf = ({ tokens, expanded }: ConditionalSizes): number => (tokens === 'expanded' ? expanded : 1);

export function encoderParameters(sizes: ConditionalSizes): ParameterSpec[] {
  const { tokens, dim, width } = sizes;
  return [
    ...normSpec('encoder.norm', dim),
    ...linearSpec('encoder.fc1', width, dim),
    { name: 'encoder.place', shape: [inputsOf(sizes), width], kind: 'embedding', trained: true },
    ...linearSpec('encoder.fc2', outputsOf(sizes) * width, width),
    ...normSpec('encoder.out', width),
    ...(tokens === 'layers' ? [{ name: 'encoder.null', shape: [1, width], kind: 'embedding', trained: true } as const] : []),
  ];
}

/** CLS tokens [layers, dim], last layer last, to tokens [T, width]: an MLP with layer norms and a learned vector per layer. */
export function encode(p: Parameters, cls: Tensor, sizes: ConditionalSizes): Tensor {
  const { tokens: mode, width } = sizes;
  const norm = (name: string, x: Tensor): Tensor => layernorm(x, p(`${name}.weight`), p(`${name}.bias`), EPS);
  const layer = (name: string, x: Tensor): Tensor => linear(x, p(`${name}.weight`), p(`${name}.bias`));
  const hidden = gelu(add(layer('encoder.fc1', norm('encoder.norm', cls)), p('encoder.place')));
  const rows = layer('encoder.fc2', hidden);
  const tokens = norm('encoder.out', mode === 'expanded' ? reshape(rows, [outputsOf(sizes), width]) : rows);
  return mode === 'layers' ? concat([tokens, p('encoder.null')], 0) : tokens;
}

/** For a feature map of C channels. */
export function attentionParameters(name: string, C: number, { width, heads, headSize }: ConditionalSizes): ParameterSpec[] {
  const A = heads * headSize;
  const product = (part: string, O: number, I: number, kind: ParameterSpec['kind'] = 'linear.weight'): ParameterSpec =>
    ({ name: `${name}.${part}.weight`, shape: [O, I], kind, trained: true });
  return [product('query', A, C), product('key', A, width), product('value', A, width), product('out', C, A, 'zero')];
}

/**
 * x + Wo softmax(q k^T / sqrt(headSize)) v per pixel, with q = Wq x of the feature map [1, C, H, W] and k, v = Wk t, Wv t of the
 * tokens [T, E] (Vaswani et al. 2017, without biases). Channels stay outermost throughout, so nothing is transposed in memory.
 */
export function crossAttention(
  p: Parameters, name: string, x: Tensor, tokens: Tensor, { heads, headSize }: ConditionalSizes,
): Tensor {
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
