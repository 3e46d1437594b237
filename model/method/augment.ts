/** Random crops and colours of the training photos: drawn on the CPU from a seed, done to the pixels on the GPU. */
import { blur, colorJitter, cropAt, type Graph, type Program, type Tensor } from '../../engine/index.js';
import type { Random } from '../random.js';
import type { RecipeName } from './options.js';

/** One draw for one photo. The size decides which compiled program runs; the rest are inputs of it. */
export interface Draw {
  /** Side of the square crop in pixels. */
  readonly size: number;
  /** Top, left and whether to flip (0 or 1), as `cropAt` takes them. */
  readonly at: readonly [number, number, number];
  /** On, order of the four adjustments, their factors, as `colorJitter` takes them. */
  readonly jitter: readonly number[];
  /** On and sigma, as `blur` takes them. */
  readonly blur: readonly [number, number];
}

const NO_JITTER = [0, 0, 1, 2, 3, 1, 1, 1, 0];
const SMALLEST_CROP = 0.95;
const JITTER_CHANCE = 0.5;
/** The recipes differ in how often they blur and in how they round the crop. */
const recipes: Record<RecipeName, { readonly blurChance: number; readonly round: (x: number) => number }> = {
  splice: { blurChance: 0.2, round: Math.round },
  'splice-transfer': { blurChance: 0.5, round: Math.floor },
};

/** Square crop of .95 to 1 of the height (at most the width), flipped with probability .5. */
function drawCrop(next: Random, recipe: RecipeName, height: number, width: number): Pick<Draw, 'size' | 'at'> {
  const size = Math.min(recipes[recipe].round(next.between(SMALLEST_CROP * height, height)), width);
  return { size, at: [next.integer(0, height - size), next.integer(0, width - size), next.chance(0.5) ? 1 : 0] };
}

/** For the structure photo: crop, flip, jitter (.4 .4 .2 .1) and blur. Flipping before or after the crop gives the same pictures. */
export function drawStructure(next: Random, recipe: RecipeName, height: number, width: number): Draw {
  const crop = drawCrop(next, recipe, height, width);
  const factors = [next.between(0.6, 1.4), next.between(0.6, 1.4), next.between(0.8, 1.2), next.between(-0.1, 0.1)];
  const jitter = [1, ...next.permutation(4), ...factors];
  return {
    ...crop,
    jitter: next.chance(JITTER_CHANCE) ? jitter : NO_JITTER,
    blur: [next.chance(recipes[recipe].blurChance) ? 1 : 0, next.between(0.1, 2)],
  };
}

/** For the appearance photo: crop and flip only, its colours are the target. */
export const drawAppearance = (next: Random, recipe: RecipeName, height: number, width: number): Draw =>
  ({ ...drawCrop(next, recipe, height, width), jitter: NO_JITTER, blur: [0, 1] });

/** The structure photo [1, 3, H, W] as one step sees it: [1, 3, size, size]. Jitter and blur see the whole photo, as in the published code. */
export const augmentStructure = (g: Graph, photo: Tensor, size: number): Tensor =>
  cropAt(blur(colorJitter(photo, g.input('structure.jitter', [9])), g.input('structure.blur', [2])), g.input('structure.at', [3]), size, size);

/** The appearance photo [1, 3, H, W] as one step sees it: [1, 3, size, size]. */
export const augmentAppearance = (g: Graph, photo: Tensor, size: number): Tensor => cropAt(photo, g.input('appearance.at', [3]), size, size);

/** Hands a step's draws to its program. */
export function writeDraws(program: Program, structure: Draw, appearance: Draw): void {
  program.write('structure.jitter', structure.jitter);
  program.write('structure.blur', structure.blur);
  program.write('structure.at', structure.at);
  program.write('appearance.at', appearance.at);
}
