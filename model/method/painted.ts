/**
 * The structure photo in the colours of the appearance: every patch in those of the patches that match it by the ViT's keys. A
 * warm start that aims at it brings the look to its places before the losses count, which leave places to chance.
 */
import {
  add, concat, l2normalize, matmul, reshape, scale, slice, softmax, sub, type Graph, type Tensor,
} from '../../engine/index.js';
import { blended, type Image } from '../image.js';
import { runOnce, type Computing } from '../runOnce.js';
import { keyBlocks } from '../vit/config.js';
import { vitFeatures } from '../vit/vit.js';
import { patchColours } from './colours.js';
import { recipes } from './recipes.js';
import { tokenLabels, type Labels, type Regions } from './regions.js';
import { lookName, looksOf, names, photo, type Setting } from './steps.js';

/** Of the softmax over cosines: a patch takes the colours of those that match it almost as well as the best one does. */
const TEMPERATURE = 0.02;
/** Taken from the cosine of patches whose regions are no partners; cosines differ by 2 at most. */
const APART = 100;

/** Deviations, in patches and in colours of 0..1, of the weights by which pixels take the colours of patches. */
const SPREAD = { patches: 0.7, colour: 0.1 } as const;
/** How many patches away a patch still counts, and its least weight there, for pixels that have no patch's colour. */
const REACH = 2;
const LEAST = 1e-9;

/** Height and width of the ViT's input for a picture. */
const inputOf = ({ height, width }: Pick<Image, 'height' | 'width'>, { vit, options }: Setting): readonly [number, number] =>
  recipes[options.recipe].vitInput(height, width, vit.config, options.vitSize);

/** What the ViT sees of a photo on the device: keys of some blocks [N, C], without CLS, and the colours of quarters [N, 12]. */
function seen(g: Graph, name: string, image: Image, { vit, options }: Setting): { keys: Tensor[]; colours: Tensor } {
  const input = recipes[options.recipe].toVit(photo(g, name, image), vit.config, options);
  const { layerKeys } = vitFeatures(g, vit, input, { keyLayers: keyBlocks(vit.config) });
  const patches = (keys: Tensor): Tensor => reshape(slice(keys, 1, 1, keys.shape[1]!), [keys.shape[1]! - 1, keys.shape[2]!]);
  return { keys: layerKeys.map(patches), colours: patchColours(input, vit.config) };
}

/** Cosines of all rows of `a` [N, C] with all of `b` [M, C], after the mean of all is taken away: [N, M]. */
function cosines(a: Tensor, b: Tensor): Tensor {
  const all = concat([a, b], 0);
  const [count, C] = all.shape as [number, number];
  const mean = reshape(matmul(a.graph.constant(new Float32Array(count).fill(1 / count), [1, count]), all), [C]);
  const [x, y] = [a, b].map((rows) => l2normalize(sub(rows, mean))) as [Tensor, Tensor];
  return matmul(x, y, { transposeB: true });
}

/** -`APART` for a patch of the structure in a region and an appearance's outside the region's partner, else 0: [N, M]. */
function apart({ structure, appearances }: Regions, setting: Setting): Float32Array {
  const { patch } = setting.vit.config;
  const labelsOf = (labels: Labels): Uint8Array => tokenLabels(labels, { input: inputOf(labels, setting), patch });
  const given = appearances.flatMap((labels) => [...labelsOf(labels)]);
  const row = (label: number): number[] => given.map((other) => (label === 0 || label === other ? 0 : -APART));
  return Float32Array.from([...labelsOf(structure)].flatMap(row));
}

/** The colours of the structure photo's patches, and those of what matches them, by quarters: [N, 12] each. */
function matched(g: Graph, setting: Setting): Record<'own' | 'wanted', Tensor> {
  const own = seen(g, names.structure, setting.structure, setting);
  const given = looksOf(setting).map((look, i) => seen(g, lookName(i), look, setting));
  const near = own.keys.map((keys, block) => cosines(keys, concat(given.map((of) => of.keys[block]!), 0))).reduce(add);
  const weights = scale(near, 1 / (own.keys.length * TEMPERATURE));
  const allowed = setting.regions
    ? add(weights, g.constant(apart(setting.regions, setting), weights.shape))
    : weights;
  return { own: own.colours, wanted: matmul(softmax(allowed), concat(given.map(({ colours }) => colours), 0)) };
}

/** The colours of patches in 0..1, [N, 3], from those of their quarters less the ViT's mean. */
const meansOf = (quarters: Float32Array, mean: readonly number[]): Float32Array =>
  Float32Array.from({ length: quarters.length / 4 }, (_, i) =>
    mean[i % 3]! + quarters.subarray(4 * i, 4 * i + 4).reduce((a, b) => a + b) / 4);

const luminance = (rgb: ArrayLike<number>, at = 0): number => 0.299 * rgb[at]! + 0.587 * rgb[at + 1]! + 0.114 * rgb[at + 2]!;

/** A grid of patches over a picture, with the colours that they have and shall have: [rows * columns, 3] in 0..1. */
export interface Patches {
  /** Height and width of a patch in pixels of the picture. */
  readonly patch: readonly [number, number];
  readonly columns: number;
  readonly own: Float32Array;
  readonly wanted: Float32Array;
}

/** Means of the patches around a place, weighted by how near they are and by how much they have its colour: [own, wanted]. */
function meansAround(y: number, x: number, colour: readonly number[], { columns, own, wanted }: Patches): Float64Array {
  const means = new Float64Array(6);
  let total = 0;
  for (let r = Math.max(0, Math.ceil(y - REACH)); r <= Math.min(own.length / 3 / columns - 1, y + REACH); r++) {
    for (let c = Math.max(0, Math.ceil(x - REACH)); c <= Math.min(columns - 1, x + REACH); c++) {
      const at = 3 * (r * columns + c);
      const away = ((r - y) ** 2 + (c - x) ** 2) / SPREAD.patches ** 2;
      const unlike = (colour[0]! - own[at]!) ** 2 + (colour[1]! - own[at + 1]!) ** 2 + (colour[2]! - own[at + 2]!) ** 2;
      const weight = Math.exp(-(away + unlike / SPREAD.colour ** 2) / 2) + LEAST;
      total += weight;
      for (let i = 0; i < 3; i++) {
        means[i]! += weight * own[at + i]!;
        means[3 + i]! += weight * wanted[at + i]!;
      }
    }
  }
  return means.map((sum) => sum / total);
}

/**
 * A picture in the colours that its patches shall have. A pixel takes the most from patches that have its own colour, so that
 * edges stay sharp (joint bilateral upsampling, Kopf et al., https://doi.org/10.1145/1276377.1276497), and keeps the difference
 * of its luminance from theirs.
 */
export function inPatchColours({ width, height, data }: Image, patches: Patches): Image {
  const plane = width * height;
  const [tall, wide] = patches.patch;
  const result = new Float32Array(data.length);
  for (let pixel = 0; pixel < plane; pixel++) {
    const colour = [data[pixel]!, data[plane + pixel]!, data[2 * plane + pixel]!];
    const [y, x] = [(Math.floor(pixel / width) + 0.5) / tall - 0.5, ((pixel % width) + 0.5) / wide - 0.5];
    const means = meansAround(y, x, colour, patches);
    const finer = luminance(colour) - luminance(means);
    for (let c = 0; c < 3; c++) result[c * plane + pixel] = Math.min(1, Math.max(0, means[3 + c]! + finer));
  }
  return { width, height, data: result };
}

/**
 * A share `warmLook` of the way from a structure photo to itself in the colours of the appearance photos: those of the patches
 * that the ViT finds most alike, within regions if there are any. All photos are on the device, `structure` in the place of the
 * structure photo.
 */
export async function paintedStructure(engine: Computing, setting: Setting, structure: Image): Promise<Image> {
  const { vit: { config: { patch, mean } }, options } = setting;
  const read = await runOnce(engine, matched(engine.graph(), setting), []);
  const input = inputOf(structure, setting);
  const patches = {
    patch: [(patch * structure.height) / input[0], (patch * structure.width) / input[1]] as const,
    columns: Math.floor(input[1] / patch), own: meansOf(read.own, mean), wanted: meansOf(read.wanted, mean),
  };
  return blended(structure, inPatchColours(structure, patches), options.warmLook);
}
