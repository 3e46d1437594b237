/** The trained generator of a run, read back from its folder. */
import { join } from 'node:path';
import { parseSafetensors } from '../../model/files/safetensors.js';
import type { RecipeName } from '../../model/method/options.js';
import { recipes } from '../../model/method/recipes.js';
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
    return { path, sha256: sha256(bytes), recipe, generator, weights: tensors };
  } catch (error) {
    const problem = `is not a generator of this program (${(error as Error).message})`;
    throw new InputError(`${path} ${problem}: give the folder of a transfer`, { cause: error });
  }
}

/** The recipe in the run's record, for files without metadata. */
async function recipeOf(folder: string): Promise<unknown> {
  const { options } = (await readJson(join(folder, 'config.json'))) ?? {};
  return (options as { recipe?: unknown } | undefined)?.recipe;
}
