/** The trained generator of a run, read back from its folder. */
import { join } from 'node:path';
import { parseSafetensors } from '../../model/files/safetensors.js';
import type { RecipeName } from '../../model/method/options.js';
import { recipes } from '../../model/method/recipes.js';
import { readPhoto, type Photo, type ReadOptions } from '../photos/photo.js';
import { InputError } from '../shared/errors.js';
import { readInput, readJson, sha256 } from '../shared/files.js';

const MAX_BYTES = 512e6;
const isRecipe = (name: unknown): name is RecipeName => typeof name === 'string' && Object.hasOwn(recipes, name);

/** @throws InputError when the folder has no generator that this version can read */
export async function readGenerator(folder: string) {
  const path = join(folder, 'generator.safetensors');
  const bytes = await readInput(path, MAX_BYTES);
  try {
    const { tensors, metadata } = parseSafetensors(bytes);
    const recipe = metadata.get('recipe') ?? (await recipeOf(folder));
    if (!isRecipe(recipe)) throw new Error(`its recipe is "${String(recipe)}", known are ${Object.keys(recipes).join(', ')}`);
    const generator = recipes[recipe].generator();
    const missing = generator.parameters.filter(({ name }) => !tensors.has(name)).map(({ name }) => name);
    const more = missing.length > 3 ? ` and ${missing.length - 3} more` : '';
    if (missing.length > 0) throw new Error(`it lacks ${missing.slice(0, 3).join(', ')}${more}`);
    return { path, sha256: sha256(bytes), recipe, generator, weights: tensors, ...trainedAt(metadata.get('structureSize')) };
  } catch (error) {
    const problem = `is not a generator of this program (${(error as Error).message})`;
    throw new InputError(`${path} ${problem}: give the folder of a transfer`, { cause: error });
  }
}

/** The shorter side of the structure photo in the training, if the file says it. */
function trainedAt(size = ''): { readonly side?: number } {
  const side = Math.min(...size.split('x').map(Number));
  return Number.isSafeInteger(side) && side > 0 ? { side } : {};
}

/**
 * A photo of a run, as large as it was used unless `reading` says otherwise; undefined when it is not where it was, or is another
 * one.
 */
export async function photoOf(
  folder: string, which: 'structure' | 'appearance', reading?: ReadOptions,
): Promise<Photo | undefined> {
  const { [which]: photo } = (await readJson(join(folder, 'config.json'))) ?? {};
  const { path, sha256: hash, usedSize } = (photo ?? {}) as { path?: unknown; sha256?: unknown; usedSize?: unknown };
  if (typeof path !== 'string' || !Array.isArray(usedSize)) return undefined;
  const found = await readPhoto(path, reading ?? { shorterSide: Math.min(...(usedSize as number[])) }).catch(() => undefined);
  return found?.sha256 === hash ? found : undefined;
}

/** The recipe in the run's record, for files without metadata. */
async function recipeOf(folder: string): Promise<unknown> {
  const { options } = (await readJson(join(folder, 'config.json'))) ?? {};
  return (options as { recipe?: unknown } | undefined)?.recipe;
}
