/** Regions of a pair: tokens of one are compared with those of its partner in the other photo, whatever has none with all. */
import {
  abs, add, concat, conv2d, matmul, mean, mse, mul, reshape, rowMax, scale, sigmoid, sub, sum, type Graph,
  type Shape, type Tensor,
} from '../../engine/index.js';
import type { Picture } from '../image.js';
import type { VitFeatures } from '../vit/vit.js';
import type { Draw } from './augment.js';
import { COLOUR_DIRECTIONS } from './colours.js';
import { appearanceLoss, patchRows, type PatchFeatures } from './losses.js';

/** The region of every pixel, [height, width]: 0 for none, else its number from 1 on. */
export type Labels = Picture<Uint8Array>;

/** Label images at the sizes that the photos are trained at; the same number is the same region. */
export interface Regions {
  /** The largest number of a region. */
  readonly count: number;
  readonly structure: Labels;
  /** One for each appearance photo. */
  readonly appearances: readonly Labels[];
}

/** The patches that a ViT sees of a picture. */
export interface PatchGrid {
  /** Height and width of the ViT's input. */
  readonly input: readonly [number, number];
  readonly patch: number;
}

/** The most samples along each side of a patch. */
const SAMPLES = 8;

/** The region with most samples of a patch; of equal ones the first. */
function mostCommon(counts: Uint16Array): number {
  return counts.reduce((best, count, region) => (count > counts[best]! ? region : best), 0);
}

/** The region of every patch, row by row, of a picture with these labels, or of a crop of it that moves as `cropAt` says. */
export function tokenLabels(
  { width, height, data }: Labels, { input, patch }: PatchGrid, crop?: Pick<Draw, 'size' | 'at'>,
): Uint8Array {
  const [top, left, flip] = crop?.at ?? [0, 0, 0];
  const [h, w] = [crop?.size ?? height, crop?.size ?? width];
  const [rows, columns] = input.map((length) => Math.floor(length / patch)) as [number, number];
  const samples = Math.min(SAMPLES, patch);
  /** The pixel that the n-th sample falls on, along an axis of `pixels` that the ViT sees as `seen`. */
  const pixel = (n: number, pixels: number, seen: number): number => Math.floor(((n + 0.5) * patch * pixels) / (samples * seen));
  const labels = new Uint8Array(rows * columns);
  for (let token = 0; token < labels.length; token++) {
    const counts = new Uint16Array(256);
    for (let sample = 0; sample < samples ** 2; sample++) {
      const y = pixel(Math.floor(token / columns) * samples + Math.floor(sample / samples), h, input[0]);
      const x = pixel((token % columns) * samples + (sample % samples), w, input[1]);
      counts[data[(top + y) * width + left + (flip ? w - 1 - x : x)]!]!++;
    }
    labels[token] = mostCommon(counts);
  }
  return labels;
}

/** The inputs of a comparison, by name and shape. */
export type RegionInputs = (name: string, shape: Shape) => Tensor;

/** The output's regions, of a crop or of the whole structure photo, beside those of an appearance photo's crop. */
export const COMPARISONS = { crops: 'regions', whole: 'regions.whole' } as const;

export const regionInputs = (g: Graph, comparison: string): RegionInputs =>
  (name, shape) => g.input(`${comparison}.${name}`, shape);

/** The tokens that are compared: of the output, and of the appearance photo. */
const SIDES = ['made', 'given'] as const;

const tokensOf = ({ patches }: VitFeatures): Tensor => reshape(patches!, patches!.shape.slice(1));

/**
 * Look, region by region: the distance of the mean tokens of a region and its partner, a mean of squares, and the mean of it over
 * the regions that both pictures show; for the share of the output without a region the distance of the CLS tokens.
 */
export function regionsLoss(inputs: RegionInputs, made: VitFeatures, given: VitFeatures, count: number): Tensor {
  const [x, y] = [made, given].map((features, i) => {
    const tokens = tokensOf(features);
    return matmul(inputs(`${SIDES[i]!}.means`, [count, tokens.shape[0]!]), tokens);
  }) as [Tensor, Tensor];
  return add(mse(x, y), mul(appearanceLoss(made, given), inputs('free', [1])));
}

/** Weight of a region's colours next to those of whole pictures, whose distance is measured in another way. */
const COLOURS = 39;

/** Thresholds along a direction, evenly over the range of colours. */
const THRESHOLDS = 16;

/** The rows of a convolution of colours in 0..1: how far they are beyond each threshold, 2 being the way to the next one. */
const ROWS = COLOUR_DIRECTIONS.flatMap((direction) => {
  const low = direction.reduce<number>((sum, v) => sum + Math.min(0, v), 0);
  const range = direction.reduce<number>((sum, v) => sum + Math.abs(v), 0);
  const steps = (2 * THRESHOLDS) / range;
  return Array.from({ length: THRESHOLDS }, (_, i) =>
    ({ weights: direction.map((v) => v * steps), bias: -(low * steps + 2 * i + 1) }));
});
// Once for all programs, which share constants by their arrays.
const WEIGHTS = Float32Array.from(ROWS.flatMap(({ weights }) => weights));
const BIASES = Float32Array.from(ROWS, ({ bias }) => bias);

/** Red, green and blue of a picture [1, 3, H, W]: [3, H W]. */
const channels = (x: Tensor): Tensor => reshape(x, [3, x.shape[2]! * x.shape[3]!]);

/** Whether each pixel of a picture [1, 3, H, W] is beyond each threshold, softly from 0 to 1: [thresholds, H W]. */
function beyond(x: Tensor): Tensor {
  const by = conv2d(x, x.graph.constant(WEIGHTS, [ROWS.length, 3, 1, 1]), x.graph.constant(BIASES));
  return reshape(sigmoid(by), [ROWS.length, x.shape[2]! * x.shape[3]!]);
}

/**
 * Colours, region by region: the share of a region's pixels beyond each threshold, against its partner's. The mean difference
 * over the thresholds of a direction is the Wasserstein distance along it over its range, but for the softness (Vallender,
 * "Calculation of the Wasserstein distance between probability distributions on the line", 1974). Added is the mean difference of
 * the means of red, green and blue: by shares alone some regions stayed between the colours of two appearance photos. The loss is
 * the mean over directions and over the regions that both pictures show. Tokens tell colours vaguely, and those at a border tell
 * both sides'. The pictures are [1, 3, H, W] in 0..1.
 */
export function regionColoursLoss(inputs: RegionInputs, made: Tensor, given: Tensor, count: number): Tensor {
  const differenceOf = (property: (x: Tensor) => Tensor): Tensor => {
    const [x, y] = [made, given].map((picture, i) => {
      const pixels = property(picture);
      return matmul(inputs(`${SIDES[i]!}.colours`, [count, pixels.shape[1]!]), pixels, { transposeB: true });
    }) as [Tensor, Tensor];
    return scale(mean(abs(sub(x, y))), COLOURS);
  };
  return add(differenceOf(beyond), differenceOf(channels));
}

/** `patchesLoss` within regions: a token goes to the nearest of its region, and one without a region to the nearest of all. */
export function regionPatchesLoss(
  inputs: RegionInputs, made: PatchFeatures, given: PatchFeatures, count: number, weight: number,
): Tensor {
  const [x, y] = ([[made, 0], [given, 1]] as const).map(([features, i]) => {
    const tokens = patchRows(features, i, weight);
    const N = tokens.shape[0]!;
    const of = (name: string, ...shape: readonly number[]): Tensor => inputs(`${SIDES[i]!}.${name}`, [N, ...shape]);
    // Colours add up to `weight` to a distance, which is otherwise at most 2.
    const [belongs, avoids] = [of('belongs', 1 + count), scale(of('avoids', 1 + count), 1 + weight)];
    return { tokens, belongs, avoids, shares: of('shares') };
  }) as [RegionTokens, RegionTokens];
  const nearness = (from: RegionTokens, to: RegionTokens): Tensor => {
    // The nearness, and at least 4 less for a pair that is not compared: then it is never the largest.
    const nearnesses = matmul(concat([from.tokens, from.avoids], 1), concat([to.tokens, to.belongs], 1), { transposeB: true });
    return scale(sum(mul(rowMax(nearnesses), from.shares)), -1);
  };
  return reshape(rowMax(add(concat([nearness(x, y), nearness(y, x)], 0), inputs('sums', [2]))), [1]);
}

/** N tokens, and the numbers of their regions, each in a column of its own. */
interface RegionTokens {
  /** [N, C] */
  readonly tokens: Tensor;
  /** 2 at a token's own, [N, 1 + regions]. */
  readonly belongs: Tensor;
  /** -2 or less at those that it is not compared with: [N, 1 + regions]. */
  readonly avoids: Tensor;
  /** Shares of the tokens in the mean: [N]. */
  readonly shares: Tensor;
}

/** How many tokens there are of each region, and of none. */
function countsOf(labels: Uint8Array, count: number): Uint32Array {
  const found = new Uint32Array(1 + count);
  for (const label of labels) found[label]!++;
  return found;
}

/** Values of the inputs of `regionsLoss` and `regionPatchesLoss`, by name, for the regions of the tokens of both pictures. */
export function regionValues(made: Uint8Array, given: Uint8Array, count: number): Record<string, Float32Array> {
  const counts = [countsOf(made, count), countsOf(given, count)] as const;
  const isShown = (label: number): boolean => label === 0 || counts.every((found) => found[label]! > 0);
  const shown = counts[0].filter((_, label) => label > 0 && isShown(label)).length;
  const free = counts[0][0]! / made.length;
  // A root, because `mse` squares it; it divides by all regions, not only by those that are shown.
  const weight = Math.sqrt(((1 - free) * count) / Math.max(1, shown));
  const sides = [made, given].map((labels, i) => {
    const [N, columns] = [labels.length, 1 + count];
    const [means, shares] = [new Float32Array(count * N), new Float32Array(N)];
    const [belongs, avoids] = [new Float32Array(N * columns), new Float32Array(N * columns)];
    const compared = counts[i]!.reduce((all, number, label) => all + (isShown(label) ? number : 0), 0);
    labels.forEach((label, token) => {
      belongs[token * columns + label] = 2;
      if (label > 0) avoids.fill(-2, token * columns, (token + 1) * columns)[token * columns + label] = 0;
      if (!isShown(label)) return;
      shares[token] = 1 / compared;
      if (label > 0) means[(label - 1) * N + token] = weight / counts[i]![label]!;
    });
    return { named: Object.entries({ means, shares, belongs, avoids }), sum: Math.min(1, compared) };
  });
  const named = sides.flatMap(({ named: values }, i) => values.map(([name, data]) => [`${SIDES[i]!}.${name}`, data] as const));
  return Object.fromEntries([...named, ['free', Float32Array.of(free)], ['sums', Float32Array.from(sides, (side) => side.sum)]]);
}

/** Values of the inputs of `regionColoursLoss`, by name, for the regions of the pixels of both pictures. */
export function colourValues(made: Uint8Array, given: Uint8Array, count: number): Record<string, Float32Array> {
  const counts = [countsOf(made, count), countsOf(given, count)] as const;
  const isShown = (label: number): boolean => label > 0 && counts.every((found) => found[label]! > 0);
  const weight = ((1 - counts[0][0]! / made.length) * count) / Math.max(1, counts[0].filter((_, label) => isShown(label)).length);
  return Object.fromEntries([made, given].map((labels, i) => {
    const means = new Float32Array(count * labels.length);
    labels.forEach((label, pixel) => {
      if (isShown(label)) means[(label - 1) * labels.length + pixel] = weight / counts[i]![label]!;
    });
    return [`${SIDES[i]!}.colours`, means];
  }));
}
