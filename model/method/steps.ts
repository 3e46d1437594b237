/** The graphs of a run: one optimiser step for given crop sizes, and the result. */
import {
  adam, add, clipNorm, concat, ema, gradients, mse, mul, pack, resize, sum, type Graph, type Tensor,
} from '../../engine/index.js';
import { augmentAppearance, cropStructure, smallestCropOf, structureAugmentation } from './augment.js';
import { bindParameters, rolesOf, type Bound, type Generator, type Layout } from '../generators/parameters.js';
import type { Image } from '../image.js';
import { coloursLoss, patchColours } from './colours.js';
import { textureLoss } from './texture.js';
import { appearanceLoss, identityLoss, imageOf, patchesLoss, structureLoss, type Features } from './losses.js';
import type { SpliceOptions } from './options.js';
import { recipes } from './recipes.js';
import { COMPARISONS, regionColoursLoss, regionInputs, regionPatchesLoss, regionsLoss, type Regions } from './regions.js';
import { stillLoss } from './still.js';
import type { VitModel } from '../vit/config.js';
import { vitFeatures } from '../vit/vit.js';

/** Everything a run's graphs are made from. */
export interface Setting {
  readonly vit: VitModel;
  readonly generator: Generator;
  readonly layout: Layout;
  readonly structure: Image;
  readonly appearance: Image;
  /** Further appearance photos, each for regions of its own: the steps take them in turn. */
  readonly looks?: readonly Image[];
  /** A sequence of structure photos of one size, `structure` being the first: every step takes one of them. */
  readonly frames?: readonly Image[];
  /** What is compared with what; all with all when absent. */
  readonly regions?: Regions;
  readonly options: SpliceOptions;
}

export const names = {
  structure: 'photo.structure', appearance: 'photo.appearance', neighbour: 'photo.structure.neighbour',
  aim: 'photo.structure.aim',
  weights: 'generator', momentum: 'generator.adam.m', variance: 'generator.adam.v', average: 'generator.average',
} as const;

/**
 * The images of a step. `whole` adds the uncropped structure photo's terms to a step on crops. `look` is the number of the
 * appearance photo, absent for the first.
 */
export type StepKind = { readonly look?: number } & (
  | { readonly kind: 'crops'; readonly structure: number; readonly appearance: number; readonly whole: boolean }
  | { readonly kind: 'uncropped' }
  | { readonly kind: 'warm-start'; readonly structure: number; readonly appearance: number }
);

export const photo = (g: Graph, name: string, { height, width }: Image): Tensor => g.parameter(name, [1, 3, height, width]);

/** All appearance photos. */
export const looksOf = ({ appearance, looks = [] }: Pick<Setting, 'appearance' | 'looks'>): readonly Image[] =>
  [appearance, ...looks];

/** The parameter of an appearance photo. */
export const lookName = (look: number): string => (look === 0 ? names.appearance : `${names.appearance} ${look + 1}`);

/** The side of a square that every crop of all photos holds. */
const smallestCrop = (setting: Setting): number =>
  Math.min(...[setting.structure, ...looksOf(setting)].map(({ height, width }) =>
    smallestCropOf(setting.options.recipe, height, width)));

/** The images of a step: the photos as they are, or augmented crops. `c` is the frame beside `a` of a sequence, in its crop. */
function images(g: Graph, step: StepKind, setting: Setting): { a: Tensor; b: Tensor; c?: Tensor } {
  const { look = 0 } = step;
  const [photoA, photoB] = [photo(g, names.structure, setting.structure), photo(g, lookName(look), looksOf(setting)[look]!)];
  const isStill = setting.options.lambdaStill > 0 && step.kind !== 'warm-start';
  const photoC = isStill ? photo(g, names.neighbour, setting.structure) : undefined;
  if (step.kind === 'uncropped') return { a: photoA, b: photoB, ...(photoC && { c: photoC }) };
  const cropped = structureAugmentation(g, step.structure);
  const a = cropped(photoA);
  return { a, b: augmentAppearance(g, photoB, step.appearance), ...(photoC && { c: cropped(photoC) }) };
}

/** A crop of what a warm start aims at for the structure photo, if not at the photo itself. */
const aimOf = (g: Graph, size: number, { structure, options }: Setting): Tensor | undefined =>
  (options.warmLook > 0 ? cropStructure(g, photo(g, names.aim, structure), size) : undefined);

/** Features of images: by one ViT pass if their ViT inputs have the same size, else by one pass each. */
function featuresOf(g: Graph, xs: readonly Tensor[], { vit, options, regions }: Setting): Features[] {
  const inputs = g.part('resize', () => xs.map((x) => recipes[options.recipe].toVit(x, vit.config, options)));
  const [first] = inputs as [Tensor, ...Tensor[]];
  const fits = inputs.every((t) => t.shape[2] === first.shape[2] && t.shape[3] === first.shape[3]);
  return g.part('ViT', () => {
    const more = { keyLayers: options.keyLayers, patches: options.lambdaPatches > 0 || regions !== undefined };
    const coloursOf = (t: Tensor): Pick<Features, 'colours'> =>
      (options.lambdaPatches > 0 && options.patchColours > 0 ? { colours: patchColours(t, vit.config) } : {});
    if (!fits || inputs.length === 1) return inputs.map((t) => ({ ...vitFeatures(g, vit, t, more), ...coloursOf(t) }));
    const batch = vitFeatures(g, vit, concat(inputs, 0), more);
    return inputs.map((_, i) => ({ ...imageOf(batch, i), ...coloursOf(inputs[i]!) }));
  });
}

/** The side of the ViT's input at which colours are compared, unless that is smaller. */
const COLOUR_SIDE = 128;

/** Height and width at which the colours of a picture are compared. */
export const colourSize = (height: number, width: number, { vit, options }: Setting): readonly [number, number] =>
  recipes[options.recipe].vitInput(height, width, vit.config, Math.min(options.vitSize, COLOUR_SIDE));

/** The appearance's term: of whole pictures, or region by region. */
const lookLoss = (name: string, made: Features, given: Features, { regions }: Setting): Tensor =>
  (regions ? regionsLoss(regionInputs(made.cls.graph, name), made, given, regions.count) : appearanceLoss(made, given));

/** The colours' term: of whole pictures, or region by region, and of whole pictures for the share of the output without one. */
function coloursTerm(x: Tensor, y: Tensor, setting: Setting): Tensor {
  const { regions } = setting;
  if (!regions) return coloursLoss(x, y);
  const inputs = regionInputs(x.graph, COMPARISONS.crops);
  // Without a filter: means of neighbours would be less spread than the colours are.
  const [a, b] = [x, y].map((picture) =>
    resize(picture, colourSize(picture.shape[2]!, picture.shape[3]!, setting), { mode: 'bilinear' })) as [Tensor, Tensor];
  return add(regionColoursLoss(inputs, a, b, regions.count), mul(coloursLoss(x, y), inputs('free', [1])));
}

/** The outputs of a step of a kind. */
export type StepGraph = (g: Graph, step: StepKind, setting: Setting) => Record<string, Tensor>;

/** Turns the gradient of the loss by all trained parameters, flat like `weights`, into a tensor that the program computes. */
export type Finish = (g: Graph, weights: Tensor, gradient: Tensor, setting: Setting) => Tensor;

/** The flat gradient of `loss`: the sum over the generator's passes, as flat buffers, so in one launch for all parameters. */
export function flatGradient(loss: Tensor, { layout }: Setting, passes: readonly Bound[]): Tensor {
  const all = gradients(loss, passes.flatMap(({ views }) => views));
  const count = layout.slices.length;
  return passes.map((_, i) => pack(all.slice(i * count, (i + 1) * count))).reduce((a, b) => add(a, b));
}

/** Updates all trained parameters by Adam, and their moving average if there is one; returns what came last. */
const optimise: Finish = (g, weights, gradient, { layout, options: { clip, ema: share } }) =>
  g.part('optimiser', () => {
    const p = (name: string): Tensor => g.parameter(name, [layout.size]);
    const dw = clip > 0 ? clipNorm(gradient, g.constant(rolesOf(layout)), clip) : gradient;
    const { w } = adam(weights, p(names.momentum), p(names.variance), dw, g.input('hyper', [6]));
    return share > 0 ? ema(p(names.average), w, g.input('momentum', [1])) : w;
  });

/** The flat parameter that makes the result. */
export const resultName = ({ ema: share }: SpliceOptions): string => (share > 0 ? names.average : names.weights);

/** What a step computes before it updates anything. */
interface Losses {
  /** One for each name of `termNames`; of a warm start's step its two terms and their sum. */
  readonly losses: Tensor;
  /** The weighted sum of the terms, which an update lowers. */
  readonly total: Tensor;
  /** The generator's, with their parameters. */
  readonly passes: readonly Bound[];
}

/** The ViT sees every image once: generated images in one batch with gradients, photos in one batch without. */
function stepLosses(g: Graph, step: StepKind, setting: Setting, weights: string = names.weights): Losses {
  const passes: Bound[] = [];
  const generate = (x: Tensor): Tensor => g.part('generator', () => {
    const bound = bindParameters(g, weights, setting.layout);
    passes.push(bound);
    const forward = (): Tensor => setting.generator.forward(bound.get, x);
    return setting.options.checkpointing ? g.recomputed(forward) : forward();
  });
  const { a, b, c } = g.part('augmentation', () => images(g, step, setting));
  const [x, y] = [generate(a), generate(b)];
  if (step.kind === 'warm-start') {
    const terms = [mse(x, aimOf(g, step.structure, setting) ?? a), mse(y, b)] as const;
    const total = add(...terms);
    return { total, losses: concat([...terms, total], 0), passes };
  }
  const [madeA, madeB] = featuresOf(g, [x, y], setting) as [Features, Features];
  const [givenA, givenB] = featuresOf(g, [a, b], setting) as [Features, Features];
  const terms = g.part('losses', () =>
    [structureLoss(madeA, givenA), lookLoss(COMPARISONS.crops, madeA, givenB, setting), identityLoss(madeB, givenB)]);
  const { regions, options: { lambdaPatches, patchColours: weight, lambdaColours, lambdaTexture } } = setting;
  if (lambdaPatches > 0) {
    const inputs = regionInputs(g, COMPARISONS.crops);
    terms.push(g.part('losses', () =>
      (regions ? regionPatchesLoss(inputs, madeA, givenB, regions.count, weight) : patchesLoss(madeA, givenB, weight))));
  }
  if (lambdaColours > 0) terms.push(g.part('losses', () => coloursTerm(x, b, setting)));
  if (lambdaTexture > 0) terms.push(g.part('losses', () => textureLoss(x, b, smallestCrop(setting))));
  if (c) {
    const beside = generate(c);
    terms.push(g.part('losses', () => stillLoss(x, beside, a, c)));
  }
  const own = terms.length;
  if (step.kind === 'crops' && step.whole) {
    const photoA = photo(g, names.structure, setting.structure);
    const made = generate(photoA);
    const [whole, target] = [featuresOf(g, [made], setting)[0]!, featuresOf(g, [photoA], setting)[0]!];
    g.part('losses', () =>
      terms.push(structureLoss(whole, target), lookLoss(COMPARISONS.whole, whole, givenB, setting)));
  }
  // The weights are an input because the first step of a recipe may switch terms off.
  const total = g.part('losses', () => sum(mul(concat(terms, 0), g.input('lambdas', [terms.length]))));
  return { total, losses: g.part('losses', () => concat([...terms.slice(0, own), total], 0)), passes };
}

/**
 * One optimiser step. Outputs: `weights`, the updated parameters or their average (in place), and `losses`, one for each name of
 * `termNames`. Inputs: the draws of model/method/augment.ts, `lambdas` (of all terms), `hyper` [6] as `adam` takes it, `momentum`
 * [1] of an average, and what texture.ts and regions.ts take. Another `finish` replaces the update, under the same name.
 */
export function stepGraph(g: Graph, step: StepKind, setting: Setting, finish: Finish = optimise): Record<string, Tensor> {
  const { losses, total, passes } = stepLosses(g, step, setting);
  return { weights: finish(g, passes[0]!.flat, flatGradient(total, setting, passes), setting), losses };
}

/** The losses of the generator that makes the result; output and inputs as of `stepGraph`, but for those of the update. */
export const lossGraph = (g: Graph, step: StepKind, setting: Setting): Record<string, Tensor> =>
  ({ losses: stepLosses(g, step, setting, resultName(setting.options)).losses });

/** The whole structure photo through the generator: [1, 3, H, W]. */
export function resultGraph(g: Graph, { generator, layout, structure, options }: Setting): Record<string, Tensor> {
  const bound = bindParameters(g, resultName(options), layout);
  return { result: generator.forward(bound.get, photo(g, names.structure, structure)) };
}

