/** Colours: the sliced Wasserstein distance between those of two pictures. It compares which occur and how often, not where. */
import { conv2d, reshape, resize, type Tensor } from '../../engine/index.js';
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
