/** Figures of a result from the pictures alone, without any model. */
import type { Image } from '../image.js';
import { resample, resampleShorterSide } from '../resample.js';
import { edgeCosine, sharpness } from './edges.js';
import { lightness, toLab } from './lab.js';
import { colourProfile, halve, patchProfile, profileDistance, type Profile } from './wasserstein.js';

/** They separate working runs from broken ones and sharp from blurred, but rank no methods: a mere tint scores well. */
export interface PictureFigures {
  /** Cosine of oriented gradients with the structure image: 1 if its layout is kept. */
  readonly structure: number;
  /** Sliced Wasserstein distance of L*a*b* colours to the appearance image: 0 if its look is reached. */
  readonly colour: number;
  /** The same of 7x7 patches, mean over three scales. */
  readonly patches: number;
  /** Colour distance to the structure image: small means that its look is still there. */
  readonly leak: number;
  /** Variance of the Laplacian over the structure image's. */
  readonly sharpness: number;
}

/** The figures that take little time: for every saved picture of a run. */
export type Glance = Pick<PictureFigures, 'structure' | 'colour' | 'sharpness'>;

/** Shorter side at which pictures are compared. */
export const SIDE = 256;

/** A picture at the size of the comparison; each property is computed once, on request. */
function lookAt(image: Image) {
  const lab = toLab(image);
  const half = once(() => halve(lab));
  return {
    width: image.width,
    height: image.height,
    light: once(() => lightness(lab)),
    colours: once(() => colourProfile(lab)),
    patches: once(() => [lab, half(), halve(half())].map(patchProfile)),
  };
}

function once<T extends object>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}

const meanDistance = (a: readonly Profile[], b: readonly Profile[]): number =>
  a.reduce((sum, p, i) => sum + profileDistance(p, b[i]!), 0) / a.length;

type Look = ReturnType<typeof lookAt>;

/** Looks at results of one pair: at their own proportions, and at the structure image's size. */
function viewer(structureImage: Image, appearanceImage: Image, side: number | 'own') {
  const sized = (image: Image): Image => (side === 'own' ? image : resampleShorterSide(image, side));
  const [s, a] = [lookAt(sized(structureImage)), lookAt(sized(appearanceImage))];
  const { width, height } = s;
  const sharp = sharpness(s.light(), width, height);
  const view = (result: Image): { own: Look; fit: Look } => {
    const own = result === structureImage ? s : result === appearanceImage ? a : lookAt(sized(result));
    return { own, fit: own.width === width && own.height === height ? own : lookAt(resample(result, width, height)) };
  };
  const glance = ({ own, fit }: { own: Look; fit: Look }): Glance => ({
    structure: edgeCosine(s.light(), fit.light(), width, height),
    colour: profileDistance(own.colours(), a.colours()),
    sharpness: sharpness(fit.light(), width, height) / (sharp + 1e-9),
  });
  return { s, a, view, glance };
}

/**
 * Judges results of one pair; the numbers of oracle/metrics.py. All pictures are first resized (bicubic) to the shorter side
 * `side`; 'own' leaves them, at least 28 pixels each way. `structure`, `leak` and `sharpness` are at the structure image's size.
 */
export function judgePictures(
  structureImage: Image, appearanceImage: Image, side: number | 'own' = SIDE,
): (result: Image) => PictureFigures {
  const { s, a, view, glance } = viewer(structureImage, appearanceImage, side);
  return (result) => {
    const { own, fit } = view(result);
    const { structure, colour, sharpness: sharp } = glance({ own, fit });
    const [patches, leak] = [meanDistance(own.patches(), a.patches()), profileDistance(fit.colours(), s.colours())];
    return { structure, colour, patches, leak, sharpness: sharp };
  };
}

/** The figures of `judgePictures` that take little time, the same numbers. */
export function glanceAt(structureImage: Image, appearanceImage: Image): (result: Image) => Glance {
  const { view, glance } = viewer(structureImage, appearanceImage, SIDE);
  return (result) => glance(view(result));
}
