/** Colours: the sliced Wasserstein distance between those of two pictures. It compares which occur and how often, not where. */
import { conv2d, matmul, patchify, reshape, resize, type Tensor } from '../../engine/index.js';
import type { VitConfig } from '../vit/config.js';
import { sortedDistance } from './losses.js';

/** Directions along which colours are compared: from a cube's centre to its faces, edges and corners, one of opposite ones. */
export const COLOUR_DIRECTIONS = [
  [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1], [1, -1, 0], [1, 0, -1], [0, 1, -1],
  [1, 1, 1], [1, 1, -1], [1, -1, 1], [-1, 1, 1],
] as const;
const COUNT = COLOUR_DIRECTIONS.length;
// Once for all programs, which share constants by their arrays.
const UNIT = Float32Array.from(COLOUR_DIRECTIONS.flatMap((direction) => direction.map((v) => v / Math.hypot(...direction))));

/** Samples along each side of a picture. */
const SIDE = 64;

/** The colours of a picture [1, 3, H, W] along each direction: [COUNT, SIDE * SIDE]. */
function projections(x: Tensor): Tensor {
  const isSampled = x.shape[2] === SIDE && x.shape[3] === SIDE;
  // Without a filter: means of neighbours would be less spread than the colours are.
  const samples = isSampled ? x : resize(x, [SIDE, SIDE], { mode: 'bilinear' });
  return reshape(conv2d(samples, x.graph.constant(UNIT, [COUNT, 3, 1, 1])), [COUNT, SIDE * SIDE]);
}

/**
 * The mean Wasserstein distance between the colours of two pictures [1, 3, H, W] over 13 directions of red, green and blue, each
 * the mean difference of the sorted projections (Rabin et al., "Wasserstein Barycenter and its Application to Texture Mixing",
 * 2011). A ViT that was taught to name things hardly minds their colours, so its tokens alone leave them open.
 */
export const coloursLoss = (output: Tensor, appearance: Tensor): Tensor =>
  sortedDistance(projections(output), projections(appearance));

/** Parts along each side of a patch whose mean colours are compared. */
const PARTS = 2;

/** Means over the parts of a patch as a matrix [3 * patch * patch, 3 * PARTS * PARTS], by the ViT's patch and deviation. */
const means = new Map<string, Float32Array>();

function meansOf({ patch, std }: Pick<VitConfig, 'patch' | 'std'>): Float32Array {
  const key = [patch, ...std].join();
  const known = means.get(key);
  if (known) return known;
  const columns = 3 * PARTS ** 2;
  const table = new Float32Array(3 * patch ** 2 * columns);
  const partOf = (pixel: number): number => Math.floor((pixel * PARTS) / patch);
  const columnOf = (row: number): number => {
    const [channel, y, x] = [Math.floor(row / patch ** 2), Math.floor(row / patch) % patch, row % patch];
    return (channel * PARTS + partOf(y)) * PARTS + partOf(x);
  };
  const rows = Array.from({ length: 3 * patch ** 2 }, (_, row) => columnOf(row));
  for (const [row, column] of rows.entries()) {
    const channel = Math.floor(column / PARTS ** 2);
    table[row * columns + column] = std[channel]! / rows.filter((c) => c === column).length;
  }
  means.set(key, table);
  return table;
}

/** The mean colours of the four quarters of every patch of a ViT's input [1, 3, H, W], in 0..1 but for a constant: [N, 12]. */
export function patchColours(input: Tensor, vit: Pick<VitConfig, 'patch' | 'std'>): Tensor {
  const patches = patchify(input, vit.patch);
  const [, N, length] = patches.shape as [number, number, number];
  return matmul(reshape(patches, [N, length]), input.graph.constant(meansOf(vit), [length, 3 * PARTS ** 2]));
}
