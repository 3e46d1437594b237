/** Finds the neurons that make outliers of patches, for test-time registers: see `vit/registers.ts`. */
import type { Engine } from '../../engine/index.js';
import type { Image } from '../image.js';
import type { Neuron, VitModel } from '../vit/config.js';
import { uploadVit } from '../vit/vit.js';
import { look } from './patches.js';

/** A patch is an outlier if its token is longer than so many times the median. */
const OUTLIER = 4;

export interface RegisterSearch {
  /** The neurons with the largest mean activation in outliers, the largest first; none if there are no outliers. */
  readonly neurons: readonly Neuron[];
  /** Their mean activations. */
  readonly activations: readonly number[];
  /** Length of the longest token, of a patch of any picture, in medians. */
  readonly longest: number;
}

/** Lengths of the tokens of patches in units of their median; `tokens` [T, C] begin with the CLS token. */
function lengthsOf(tokens: Float32Array, C: number): number[] {
  const count = tokens.length / C - 1;
  const lengths = Array.from({ length: count }, (_, i) => Math.hypot(...tokens.subarray((i + 1) * C, (i + 2) * C)));
  const median = [...lengths].sort((a, b) => a - b)[Math.floor(lengths.length / 2)]!;
  return lengths.map((length) => length / Math.max(median, 1e-12));
}

/**
 * The `count` neurons to move. Outliers are patches whose token after the last block is longer than 4 times the median. The
 * layers up to the first in which these patches are as long have made them; of their neurons, those with the largest mean
 * activation in the outliers count. The last block has none, since no attention follows its MLP. Uploads `vit`, which has no
 * registers.
 */
export async function findRegisterNeurons(
  engine: Engine, vit: VitModel, pictures: readonly Image[], vitSize: number, count: number,
): Promise<RegisterSearch> {
  uploadVit(engine, vit);
  const { dim, depth, hidden } = vit.config;
  const layers = Array.from({ length: depth }, (_, i) => i);
  const sums = layers.map(() => new Float64Array(hidden));
  let [longest, made] = [0, -1];
  for (const picture of pictures) {
    const { read } = await look(engine, vit, picture, vitSize, layers, (layer, i) =>
      [[`tokens ${i}`, layer.tokens], [`hidden ${i}`, layer.hidden]]);
    const lengths = layers.map((i) => lengthsOf(read[`tokens ${i}`]!, dim));
    const outliers = lengths[depth - 1]!.flatMap((length, patch) => (length > OUTLIER ? [patch] : []));
    longest = Math.max(longest, ...lengths[depth - 1]!);
    if (outliers.length === 0) continue;
    const mean = (i: number): number => outliers.reduce((sum, patch) => sum + lengths[i]![patch]!, 0) / outliers.length;
    made = Math.max(made, layers.findIndex((i) => mean(i) > OUTLIER));
    for (const i of layers) {
      const activations = read[`hidden ${i}`]!;
      for (const patch of outliers) {
        for (let unit = 0; unit < hidden; unit++) sums[i]![unit]! += activations[(patch + 1) * hidden + unit]! / outliers.length;
      }
    }
  }
  const all = sums.slice(0, Math.min(made + 1, depth - 1)).flatMap((of, layer) =>
    Array.from(of, (sum, unit) => ({ neuron: [layer, unit] as const, activation: sum / pictures.length })));
  const first = all.sort((a, b) => b.activation - a.activation).slice(0, count);
  return { neurons: first.map(({ neuron }) => neuron), activations: first.map(({ activation }) => activation), longest };
}
