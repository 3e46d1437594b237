/** The trained generator of a run, read back from its folder. */
import { readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { Generator } from '../../model/generators/parameters.js';
import type { RecipeName } from '../../model/method/options.js';
import { recipes } from '../../model/method/recipes.js';
import { parseSafetensors } from '../../model/files/safetensors.js';
import type { Weights } from '../../model/vit/config.js';
import { InputError } from '../shared/errors.js';
import { readInput, sha256 } from '../shared/files.js';

export interface TrainedGenerator {
  /** Of the run's folder. */
  readonly name: string;
  readonly path: string;
  readonly sha256: string;
  readonly recipe: RecipeName;
  readonly generator: Generator;
  readonly weights: Weights;
}

const MAX_BYTES = 512e6;
const isRecipe = (name: unknown): name is RecipeName => typeof name === 'string' && Object.hasOwn(recipes, name);

/** @throws InputError when the folder holds no generator that this version can read */
export async function readGenerator(folder: string): Promise<TrainedGenerator> {
  const path = join(folder, 'generator.safetensors');
  const bytes = await readInput(path, MAX_BYTES);
  try {
    const { tensors, metadata } = parseSafetensors(bytes);
    const recipe = metadata.get('recipe') ?? (await recipeOf(folder));
    if (!isRecipe(recipe)) throw new InputError(`its recipe is "${String(recipe)}", known are ${Object.keys(recipes).join(', ')}`);
    const generator = recipes[recipe].generator();
    const unknown = generator.parameters.filter(({ name }) => !tensors.has(name)).map(({ name }) => name);
    if (unknown.length > 0) throw new InputError(`it lacks ${unknown.slice(0, 3).join(', ')}${unknown.length > 3 ? ` and ${unknown.length - 3} more` : ''}`);
    return { name: basename(resolve(folder)), path, sha256: sha256(bytes), recipe, generator, weights: tensors };
  } catch (error) {
    throw new InputError(`${path} is no generator of this program (${(error as Error).message}): give the folder of a transfer`, { cause: error });
  }
}

/** From the run's record, for files whose own metadata does not say. */
async function recipeOf(folder: string): Promise<unknown> {
  const text = await readFile(join(folder, 'config.json'), 'utf8').catch(() => '{}');
  return (JSON.parse(text) as { options?: { recipe?: unknown } }).options?.recipe;
}
