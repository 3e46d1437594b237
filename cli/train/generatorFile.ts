/** Reads a generator for all pairs, and what it is to be told about appearance photos. */
import type { Engine } from '../../engine/index.js';
import { centralSquare, clsReader, normalised } from '../../model/anyPair/condition.js';
import { fromAnyPairFile, type AnyPairFile } from '../../model/anyPair/file.js';
import { parseSafetensors } from '../../model/files/safetensors.js';
import { InputError, UsageError } from '../shared/errors.js';
import { readInput, sha256 } from '../shared/files.js';
import { readPhoto } from '../photos/photo.js';
import { loadVit, type Fetching, type LoadedVit } from '../models/load.js';

export interface LoadedGenerator extends AnyPairFile {
  readonly path: string;
  readonly sha256: string;
}

const MAX_BYTES = 1e9;

/** @throws InputError naming the file and what is wrong with it */
export async function readGenerator(path: string): Promise<LoadedGenerator> {
  const bytes = await readInput(path, MAX_BYTES);
  try {
    return { ...fromAnyPairFile(parseSafetensors(bytes)), path, sha256: sha256(bytes) };
  } catch (error) {
    throw new InputError(`${path} is no generator for all pairs (${(error as Error).message}): give the generator.safetensors of a \`train\` run`, { cause: error });
  }
}

/** @throws InputError unless the ViT is the one the generator was trained with: another's CLS tokens mean nothing to it */
export function checkVit({ path, setup }: LoadedGenerator, { vit, sha256: found }: LoadedVit): void {
  if (found === setup.model.sha256) return;
  throw new InputError(`${path} was trained with the ViT ${setup.model.name} (sha256 ${setup.model.sha256.slice(0, 12)}), not with ${vit.name} (${found.slice(0, 12)}): give that one with --model`);
}

/** The ViT a generator was trained with, as named, or else as the generator's file names it. @throws InputError for any other */
export async function loadVitOf(generator: LoadedGenerator, model: string | undefined, fetching: Fetching): Promise<LoadedVit> {
  const loaded = await loadVit(model ?? generator.setup.model.name, {}, fetching).catch((error: Error) => {
    throw model === undefined && error instanceof UsageError ? new UsageError(`${generator.path} was trained with the ViT ${generator.setup.model.name}, which is not known here: give its file with --model`) : error;
  });
  checkVit(generator, loaded);
  return loaded;
}

/** The conditions [layers, dim] of appearance photos: of their central squares, at the size the generator was trained on. */
export async function conditionsOf(engine: Engine, { vit }: LoadedVit, { setup, scale }: LoadedGenerator, paths: readonly string[]): Promise<Float32Array[]> {
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
