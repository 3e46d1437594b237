/** A generator for any pair on photos that it has never seen: losses, figures, use of its condition, and a sheet. */
import type { Engine } from '../../engine/index.js';
import { judgePictures, type PictureFigures } from '../../model/compare/pictures.js';
import { applyGenerator, measureResults, type Measured } from '../../model/anyPair/apply.js';
import { normalised, type ConditionScale } from '../../model/anyPair/condition.js';
import type { AnyPairSetup } from '../../model/anyPair/file.js';
import { retrieved } from '../../model/anyPair/retrieval.js';
import type { Image } from '../../model/image.js';
import { centralSquare } from '../../model/squares.js';
import type { VitModel, Weights } from '../../model/vit/config.js';
import { grid } from '../photos/grid.js';
import { imageOf, type PhotoSet } from './photos.js';

/** Means over the held-out pairs. */
export interface Validation {
  readonly pairs: number;
  readonly structure: number;
  readonly appearance: number;
  /** The appearance loss of the unchanged structure photos. */
  readonly unchangedAppearance: number;
  /** Of one structure photo with every held-out appearance: results that are nearest to their own by the CLS token. */
  readonly retrieved: number;
  /** Held-out appearances. */
  readonly appearances: number;
  /** As `compare` has them, from the pictures alone; of the pairs on the sheet. */
  readonly figures: PictureFigures;
}

export interface Validator {
  readonly validate: (weights: Weights) => Promise<{ figures: Validation; picture: Image }>;
  readonly destroy: () => void;
}

interface Held {
  readonly square: Image;
  readonly tokens: Float32Array;
}

/** The inputs of a validator besides the ViT. */
export interface Validating {
  readonly setup: AnyPairSetup;
  readonly scale: ConditionScale;
  readonly held: PhotoSet;
  /** CLS tokens of appearance photos by their hash. */
  readonly tokens: ReadonlyMap<string, Float32Array>;
  /** Pairs on the sheet; all held-out ones are measured. */
  readonly shown: number;
}

/** The i-th structure goes with the (i + 1)-th appearance. */
export async function createValidator(
  engine: Engine, vit: VitModel, validating: Validating, weights: Weights,
): Promise<Validator> {
  const { setup, scale, held, tokens, shown } = validating;
  const structures = held.structures.map((p) => centralSquare(imageOf(p)));
  const appearances = held.appearances.map((p): Held => ({ square: centralSquare(imageOf(p)), tokens: tokens.get(p.sha256)! }));
  const conditions = appearances.map((a) => normalised(a.tokens, scale));
  const partner = (i: number): number => (i + 1) % appearances.length;
  const lookFor = (i: number): Image => appearances[partner(i)]!.square;
  const applied = applyGenerator(engine, setup.sizes, weights);
  const measure = await measureResults(engine, vit, setup.size, setup);
  const judges = structures.slice(0, shown).map((square, i) => judgePictures(square, lookFor(i)));
  const unchanged: Measured[] = [];
  for (const [i, square] of structures.entries()) unchanged.push(await measure.of(square, square, lookFor(i)));

  /** CLS tokens of the first structure photo with every condition. */
  const tokensOfResults = async (): Promise<Float32Array[]> => {
    const found: Float32Array[] = [];
    for (const [a, condition] of conditions.entries()) {
      const result = await applied.apply(structures[0]!, condition);
      found.push((await measure.of(result, structures[0]!, appearances[a]!.square)).cls);
    }
    return found;
  };
  const validate = async (current: Weights): Promise<{ figures: Validation; picture: Image }> => {
    applied.use(current);
    const results: { image: Image; measured: Measured }[] = [];
    for (const [i, square] of structures.entries()) {
      const image = await applied.apply(square, conditions[partner(i)]!);
      results.push({ image, measured: await measure.of(image, square, lookFor(i)) });
    }
    const onSheet = results.slice(0, shown);
    const figures: Validation = {
      pairs: results.length,
      structure: mean(results.map((r) => r.measured.structure)),
      appearance: mean(results.map((r) => r.measured.appearance)),
      unchangedAppearance: mean(unchanged.map((m) => m.appearance)),
      retrieved: retrieved(await tokensOfResults(), appearances.map((a) => a.tokens.slice(-vit.config.dim))),
      appearances: conditions.length,
      figures: meanFigures(onSheet.map(({ image }, i) => judges[i]!(image))),
    };
    return { figures, picture: grid(onSheet.map(({ image }, i) => [structures[i], image, lookFor(i)])) };
  };
  return {
    validate,
    destroy: () => {
      applied.destroy();
      measure.destroy();
    },
  };
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

function meanFigures(all: readonly PictureFigures[]): PictureFigures {
  const keys = Object.keys(all[0]!) as (keyof PictureFigures)[];
  return Object.fromEntries(keys.map((key) => [key, mean(all.map((figures) => figures[key]))])) as unknown as PictureFigures;
}
