/** What a general generator does with photos it has never seen: losses, figures, whether it listens to its condition, and a sheet of pictures. */
import type { Engine } from '../../engine/index.js';
import { judgePictures, type PictureFigures } from '../../model/compare/pictures.js';
import { applyGenerator, measureResults, type Measured } from '../../model/anyPair/apply.js';
import { centralSquare, normalised, type ConditionScale } from '../../model/anyPair/condition.js';
import type { AnyPairSetup } from '../../model/anyPair/file.js';
import { retrieved } from '../../model/anyPair/retrieval.js';
import type { Image } from '../../model/image.js';
import type { VitModel, Weights } from '../../model/vit/config.js';
import { grid } from '../photos/grid.js';
import { imageOf, type TrainPhoto } from './photos.js';

/** Means over the held-out pairs. */
export interface Validation {
  readonly pairs: number;
  readonly structure: number;
  readonly appearance: number;
  /** The appearance loss of the structure photos themselves: what doing nothing scores. */
  readonly unchangedAppearance: number;
  /** One structure photo with every held-out appearance: how many results are nearest to their own by the CLS token, of how many. */
  readonly retrieved: number;
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

/** @param shown pairs on the sheet; all held-out ones are measured. The i-th structure goes with the (i + 1)-th appearance. */
export async function createValidator(
  engine: Engine, vit: VitModel, setup: AnyPairSetup, scale: ConditionScale,
  held: { structures: readonly TrainPhoto[]; appearances: readonly TrainPhoto[] }, tokens: ReadonlyMap<string, Float32Array>, shown: number, weights: Weights,
): Promise<Validator> {
  const structures = held.structures.map((p) => centralSquare(imageOf(p)));
  const appearances = held.appearances.map((p): Held => ({ square: centralSquare(imageOf(p)), tokens: tokens.get(p.sha256)! }));
  const conditions = appearances.map((a) => normalised(a.tokens, scale));
  const partner = (i: number): number => (i + 1) % appearances.length;
  const applied = applyGenerator(engine, setup.sizes, weights);
  const measure = await measureResults(engine, vit, setup.size, setup);
  const judges = new Map<number, ReturnType<typeof judgePictures>>();
  const judgeOf = (i: number) => {
    const known = judges.get(i) ?? judgePictures(structures[i]!, appearances[partner(i)]!.square);
    judges.set(i, known);
    return known;
  };
  const unchanged: Measured[] = [];
  for (const [i, square] of structures.entries()) unchanged.push(await measure.of(square, square, appearances[partner(i)]!.square));

  const validate = async (current: Weights): Promise<{ figures: Validation; picture: Image }> => {
    applied.use(current);
    const results: { image: Image; measured: Measured }[] = [];
    for (const [i, square] of structures.entries()) {
      const image = await applied.apply(square, conditions[partner(i)]!);
      results.push({ image, measured: await measure.of(image, square, appearances[partner(i)]!.square) });
    }
    const found: Float32Array[] = [];
    for (const [a, condition] of conditions.entries()) {
      found.push((await measure.of(await applied.apply(structures[0]!, condition), structures[0]!, appearances[a]!.square)).cls);
    }
    const onSheet = results.slice(0, shown);
    const judged = onSheet.map(({ image }, i) => judgeOf(i)(image));
    const figures: Validation = {
      pairs: results.length,
      structure: mean(results.map((r) => r.measured.structure)),
      appearance: mean(results.map((r) => r.measured.appearance)),
      unchangedAppearance: mean(unchanged.map((m) => m.appearance)),
      retrieved: retrieved(found, appearances.map((a) => a.tokens.slice(-vit.config.dim))),
      appearances: conditions.length,
      figures: Object.fromEntries((Object.keys(judged[0]!) as (keyof PictureFigures)[]).map((key) => [key, mean(judged.map((f) => f[key]))])) as unknown as PictureFigures,
    };
    const rows = onSheet.map(({ image }, i) => [structures[i], image, appearances[partner(i)]!.square]);
    return { figures, picture: grid(rows) };
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
