/** The work of `splice-gpu augment`: shows the views of the photos that a training gets. */
import type { Engine } from '../../engine/index.js';
import { RECIPE_NAMES } from '../../model/method/options.js';
import { augmentations } from '../../model/study/augmentations.js';
import type { Sheet, SheetRow } from '../photos/sheet.js';
import type { Parts } from '../run/parts.js';
import { makeSheet, readPictures, type NamedImage, type SheetOptions } from './study.js';

export interface AugmentOptions extends SheetOptions {
  readonly structure: string;
  /** The structure photo when absent. */
  readonly appearance?: string;
  /** Views of each photo. */
  readonly count: number;
  readonly seed: number;
}

/** Writes the sheet. Returns the exit code. */
export async function augment(options: AugmentOptions, parts: Parts): Promise<number> {
  const { structure: path, appearance: other = path, count, seed } = options;
  const [structure, appearance] = await readPictures([path, other]);
  await makeSheet(options, parts, async (engine) => ({
    sheet: await augmentSheet(engine, structure!, appearance!, options),
    facts: { recipes: RECIPE_NAMES, count, seed },
  }));
  return 0;
}

/** Rows are recipes and photos, columns the photo and its views in the first steps. */
export async function augmentSheet(
  engine: Engine, structure: NamedImage, appearance: NamedImage,
  { count, seed, height }: Pick<AugmentOptions, 'count' | 'seed' | 'height'>,
): Promise<Sheet> {
  const rows: SheetRow[] = [];
  for (const recipe of RECIPE_NAMES) {
    for (const [which, { image }] of [['structure', structure], ['appearance', appearance]] as const) {
      const views = await augmentations(engine, image, which, recipe, count, seed);
      rows.push({ label: `${recipe}, ${which}`, cells: [image, ...views] });
    }
  }
  const what = 'crops of 0.95 to 1 of the height, flips; of the structure photo also colour jitter and blur';
  return {
    title: 'Augmentations of both recipes',
    note: `Views in the first ${count} steps of training with seed ${seed}: ${what}.`,
    columns: ['photo', ...Array.from({ length: count }, (_, i) => `step ${i}`)],
    rows,
    height,
  };
}
