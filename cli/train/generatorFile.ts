/** Reads a generator for any pair, and makes the conditions that describe appearance photos to it. */
import type { Engine } from '../../engine/index.js';
import { clsReader, normalised } from '../../model/anyPair/condition.js';
import { centralSquare } from '../../model/squares.js';
import { fromAnyPairFile, type AnyPairFile } from '../../model/anyPair/file.js';
import { shown } from '../../model/files/errors.js';
import { parseSafetensors } from '../../model/files/safetensors.js';
import { loadNamedVit, loadVit, type Fetching } from '../models/load.js';
import type { LoadedVit } from '../models/read.js';
import { readPhoto } from '../photos/photo.js';
import { InputError, UsageError } from '../shared/errors.js';
import { readInput, sha256 } from '../shared/files.js';

export interface LoadedGenerator extends AnyPairFile {
  readonly path: string;
  readonly sha256: string;
}

const MAX_BYTES = 1e9;

/** @throws InputError naming the file and what is wrong with it */
export async function readAnyPairGenerator(path: string): Promise<LoadedGenerator> {
  const bytes = await readInput(path, MAX_BYTES);
  try {
    return { ...fromAnyPairFile(parseSafetensors(bytes)), path, sha256: sha256(bytes) };
  } catch (error) {
    const remedy = 'give the generator.safetensors of a `train` run';
    throw new InputError(`${path} is not a generator for any pair (${(error as Error).message}): ${remedy}`, { cause: error });
  }
}

/** @throws InputError unless the ViT is the one of the generator's training: another's CLS tokens mean nothing to it */
export function checkVit({ path, setup: { model } }: LoadedGenerator, { vit, sha256: found }: LoadedVit): void {
  if (found === model.sha256) return;
  const [trained, given] = [`${model.name} (sha256 ${model.sha256.slice(0, 12)})`, `${vit.name} (${found.slice(0, 12)})`];
  throw new InputError(`${path} was trained with the ViT ${trained}, not with ${given}: give the former with --model`);
}

/** The ViT that a generator was trained with, as `model` or the generator's file names it. @throws InputError for any other */
export async function loadVitOf(generator: LoadedGenerator, model: string | undefined, fetching: Fetching): Promise<LoadedVit> {
  const { path, setup: { model: { name } } } = generator;
  const loading = model === undefined ? loadNamedVit(name, fetching) : loadVit(model, {}, fetching);
  const loaded = await loading.catch((error: Error) => {
    if (model !== undefined || !(error instanceof UsageError)) throw error;
    throw new UsageError(`${path} was trained with the ViT ${shown(name)}, which is unknown here: give its file with --model`);
  });
  checkVit(generator, loaded);
  return loaded;
}

/** The conditions [layers, dim] of appearance photos: of their central squares, at the size that the generator was trained on. */
export async function conditionsOf(
  engine: Engine, { vit }: LoadedVit, { setup, scale }: LoadedGenerator, paths: readonly string[],
): Promise<Float32Array[]> {
  const reader = await clsReader(engine, vit, setup.size, setup);
  try {
    const conditions: Float32Array[] = [];
    for (const path of paths) {
      const { image } = await readPhoto(path, { shorterSide: setup.size });
      conditions.push(normalised(await reader.read(centralSquare(image)), scale));
    }
    return conditions;
  } finally {
    reader.destroy();
  }
}
