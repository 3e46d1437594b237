/** The work of `splice-gpu augment`: a sheet of what training sees of the photos. */
import type { Parts } from '../run/parts.js';
import type { Engine } from '../../engine/index.js';
import { augmentations } from '../../model/study/augmentations.js';
import { RECIPE_NAMES } from '../../model/method/options.js';
import type { Sheet, SheetRow } from '../photos/sheet.js';
import { announceSheet, checkSheetPath, readPictures, saveSheet, type NamedImage } from './study.js';

export interface AugmentOptions {
  readonly structure: string;
  /** The structure photo when absent. */
  readonly appearance?: string;
  /** Views of each photo. */
  readonly count: number;
  readonly seed: number;
  /** Height of the sheet's pictures in pixels. */
  readonly height: number;
  readonly out: string;
  readonly json: boolean;
}

/** Writes the sheet. Answers with the exit code. */
export async function augment(options: AugmentOptions, { openEngine, stdout }: Parts): Promise<number> {
  checkSheetPath(options.out);
  const [structure, appearance] = await readPictures([options.structure, options.appearance ?? options.structure]);
  const { engine, close } = await openEngine();
  try {
    await saveSheet(options.out, await augmentSheet(engine, structure!, appearance!, options));
    announceSheet(options.out, options.json, { recipes: RECIPE_NAMES, count: options.count, seed: options.seed }, stdout);
  } finally {
    close();
  }
  return 0;
}

/** Rows are recipes and photos, columns the photo and the first steps' views of it. */
export async function augmentSheet(
  engine: Engine, structure: NamedImage, appearance: NamedImage, { count, seed, height }: Pick<AugmentOptions, 'count' | 'seed' | 'height'>,
): Promise<Sheet> {
  const rows: SheetRow[] = [];
  for (const recipe of RECIPE_NAMES) {
    for (const [which, { image }] of [['structure', structure], ['appearance', appearance]] as const) {
      rows.push({ label: `${recipe} ${which}`, cells: [image, ...await augmentations(engine, image, which, recipe, count, seed)] });
    }
  }
  return {
    title: 'Augmentations of both recipes',
    note: `What the first ${count} steps of training with seed ${seed} see: crops of .95 to 1 of the height, flips; of the structure photo also colour jitter and blur.`,
    columns: ['photo', ...Array.from({ length: count }, (_, i) => `step ${i}`)],
    rows,
    height,
  };
}
