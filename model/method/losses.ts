/** The three terms of Splice (Tumanyan et al., CVPR 2022), each a mean of squares, and one of patches. */
import {
  abs, add, concat, l2normalize, matmul, mean, mse, mul, reshape, rowMax, scale, selfSimilarity, slice, sort, sub, type Graph,
  type Tensor,
} from '../../engine/index.js';
import type { VitFeatures } from '../vit/vit.js';

/** Features that a look is compared by: the ViT's, and the colours of the patches, as `patchColours` gives them. */
export interface Features extends VitFeatures {
  readonly colours?: Tensor;
}

/** Those of the patches. */
export type PatchFeatures = Pick<Features, 'patches' | 'colours'>;

/** Features of image `index` of a batch, as batches of one. */
export function imageOf({ keys, cls, layerKeys, patches }: VitFeatures, index: number): VitFeatures {
  const one = (t: Tensor): Tensor => (t.shape[0] === 1 ? t : slice(t, 0, index, index + 1));
  return { keys: one(keys), cls: one(cls), layerKeys: layerKeys.map(one), ...(patches && { patches: one(patches) }) };
}

/** Layout: distance of the keys' self-similarity of the output from the structure image's; the mean over several layers. */
export function structureLoss({ layerKeys }: VitFeatures, structure: VitFeatures): Tensor {
  const losses = layerKeys.map((keys, i) => mse(selfSimilarity(keys), selfSimilarity(structure.layerKeys[i]!)));
  const total = losses.reduce((a, b) => add(a, b));
  return losses.length === 1 ? total : scale(total, 1 / losses.length);
}

/** Look: distance of the output's CLS token from the appearance image's. */
export function appearanceLoss(output: VitFeatures, appearance: VitFeatures): Tensor {
  const flat = (t: Tensor): Tensor => reshape(t, [t.shape[2]!]);
  return mse(flat(output.cls), flat(appearance.cls));
}

/** Distance of the generator's output for the appearance image from that image itself, by keys. */
export const identityLoss = (output: VitFeatures, appearance: VitFeatures): Tensor => mse(output.keys, appearance.keys);

/** The mean Wasserstein distance between the rows of two tensors [rows, N], each a set of numbers. */
export const sortedDistance = (x: Tensor, y: Tensor): Tensor => mean(abs(sub(sort(x), sort(y))));

const ONE = Float32Array.of(1);

/**
 * Look, by places: the relaxed earth mover's distance of two sets of tokens [1, N, C] and [1, M, C], by cosine, as in STROTSS
 * (Kolkin et al., https://arxiv.org/abs/1904.12785). Every token goes to the nearest one of the other set; the mean distance in
 * the direction in which it is greater: `max(mean_i min_j d_ij, mean_j min_i d_ij)`, `d_ij = 1 - cos(x_i, y_j)`.
 */
export function relaxedEmd(x: Tensor, y: Tensor): Tensor {
  const rows = (t: Tensor): Tensor => l2normalize(reshape(t, t.shape.slice(1)));
  return farness(rows(x), rows(y));
}

/** `relaxedEmd` of rows whose product is their nearness, 1 for equal ones. */
function farness(a: Tensor, b: Tensor): Tensor {
  const ways = [matmul(a, b, { transposeB: true }), matmul(b, a, { transposeB: true })].map((s) => scale(mean(rowMax(s)), -1));
  return add(reshape(rowMax(concat(ways, 0)), [1]), a.graph.constant(ONE));
}

/** Distance of the output's patches from the appearance image's. */
export const patchesLoss = (output: PatchFeatures, appearance: PatchFeatures, weight: number): Tensor =>
  farness(patchRows(output, 0, weight), patchRows(appearance, 1, weight));

/** A column of one value, by value and length: programs share constants by their arrays. */
const columns = new Map<string, Float32Array>();

function column(g: Graph, value: number, length: number): Tensor {
  const key = `${value} ${length}`;
  const data = columns.get(key) ?? new Float32Array(length).fill(value);
  columns.set(key, data);
  return g.constant(data, [length, 1]);
}

/**
 * The patches of the first or second of two pictures as rows, whose products are the nearness `cos - weight * m`: the cosine of
 * the tokens less the mean square m by which the colours differ, where there are any.
 */
export function patchRows({ patches, colours }: PatchFeatures, side: 0 | 1, weight: number): Tensor {
  const tokens = l2normalize(reshape(patches!, patches!.shape.slice(1)));
  if (!colours) return tokens;
  const [N, C] = colours.shape as [number, number];
  // -m = (2 p.q - p.p - q.q) / C
  const p = scale(colours, Math.sqrt((2 * weight) / C));
  const [squares, ones] = [matmul(mul(p, p), column(p.graph, -0.5, C)), column(p.graph, 1, N)];
  return concat([tokens, p, ...(side === 0 ? [squares, ones] : [ones, squares])], 1);
}
