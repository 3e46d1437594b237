/** Random crops and colours of the training photos: drawn on the CPU from a seed, applied on the GPU. */
import { blur, colorJitter, cropAt, type Graph, type Program, type Tensor } from '../../engine/index.js';
import type { Random } from '../random.js';
import type { RecipeName } from './options.js';
import { recipes } from './recipes.js';

/** One draw for one photo. The size decides which compiled program runs; all else are its inputs. */
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

/** The smallest side that a crop can have. */
export const smallestCropOf = (recipe: RecipeName, height: number, width: number): number =>
  Math.min(recipes[recipe].roundCrop(SMALLEST_CROP * height), width);

/** Square crop of .95 to 1 of the height (at most the width), flipped with probability .5. */
function drawCrop(next: Random, recipe: RecipeName, height: number, width: number): Pick<Draw, 'size' | 'at'> {
  const size = Math.min(recipes[recipe].roundCrop(next.between(SMALLEST_CROP * height, height)), width);
  return { size, at: [next.integer(0, height - size), next.integer(0, width - size), Number(next.chance(0.5))] };
}

/** For the structure photo: crop, flip, jitter (.4 .4 .2 .1) and blur. The order of crop and flip makes no difference. */
export function drawStructure(next: Random, recipe: RecipeName, height: number, width: number): Draw {
  const crop = drawCrop(next, recipe, height, width);
  const factors = [next.between(0.6, 1.4), next.between(0.6, 1.4), next.between(0.8, 1.2), next.between(-0.1, 0.1)];
  const jitter = [1, ...next.permutation(4), ...factors];
  return {
    ...crop,
    jitter: next.chance(JITTER_CHANCE) ? jitter : NO_JITTER,
    blur: [Number(next.chance(recipes[recipe].blurChance)), next.between(0.1, 2)],
  };
}

/** For the appearance photo: only crop and flip, because its colours are the target. */
export const drawAppearance = (next: Random, recipe: RecipeName, height: number, width: number): Draw =>
  ({ ...drawCrop(next, recipe, height, width), jitter: NO_JITTER, blur: [0, 1] });

/** Gives photos [1, 3, H, W] the drawn colours and blur. */
function recolouring(g: Graph): (photo: Tensor) => Tensor {
  const [jitter, blurring] = [g.input('structure.jitter', [9]), g.input('structure.blur', [2])];
  return (photo) => blur(colorJitter(photo, jitter), blurring);
}

export const recoloured = (g: Graph, photo: Tensor): Tensor => recolouring(g)(photo);

/** Takes a step's crop of structure photos [1, 3, H, W]: [1, 3, size, size]. As published, jitter and blur see whole photos. */
export function structureAugmentation(g: Graph, size: number): (photo: Tensor) => Tensor {
  const recolour = recolouring(g);
  return (photo) => cropStructure(g, recolour(photo), size);
}

/** The crop alone. */
export const cropStructure = (g: Graph, photo: Tensor, size: number): Tensor =>
  cropAt(photo, g.input('structure.at', [3]), size, size);

/** The structure photo in one step. */
export const augmentStructure = (g: Graph, photo: Tensor, size: number): Tensor => structureAugmentation(g, size)(photo);

/** The appearance photo [1, 3, H, W] in one step: [1, 3, size, size]. */
export const augmentAppearance = (g: Graph, photo: Tensor, size: number): Tensor =>
  cropAt(photo, g.input('appearance.at', [3]), size, size);

/** Writes a step's draws into its program, those that it takes. */
export const writeDraws = (program: Program, structure: Draw, appearance: Draw): void => program.writeTaken({
  'structure.jitter': structure.jitter, 'structure.blur': structure.blur, 'structure.at': structure.at,
  'appearance.at': appearance.at,
});
