/** Finds a ViT's weights: by name in the package, in the cache or at their makers, or a file by its path. */
import { resolve } from 'node:path';
import type { VitModel } from '../../model/vit/config.js';
import type { VitSettings } from '../../model/vit/settings.js';
import { InputError, UsageError } from '../shared/errors.js';
import { exists } from '../shared/files.js';
import { getModel, type GetOptions } from './get.js';
import { AUTO_MODEL, DEFAULT_MODEL, fetchable, findKnown, knownModels, PREFERRED_MODEL, shipped } from './known.js';
import { readVit, type LoadedVit, type Place } from './read.js';
import { findStored, storedModels, weightsPath, type StoredModel } from './store.js';

/** For a model that the user did not name: a missing network must not cost noticeable time. */
const IMPATIENT = { answerMs: 3000, attempts: 1 } as const;

/** Settings of a download. */
export type Fetching = Partial<Pick<GetOptions, 'signal' | 'output' | 'patience'>>;

/**
 * @param model a known name (fetched on first use), `auto`, or the path of a checkpoint, recognised by content: safetensors, an
 * index of several, or PyTorch's; with the names of DINO, timm, Hugging Face or CLIP
 * @param overrides take precedence over the sidecar, a .json of the same name in the same folder
 * @throws UsageError for an unknown name, InputError for anything wrong with the files or the download
 */
export async function loadVit(model: string, overrides: VitSettings = {}, fetching: Fetching = {}): Promise<LoadedVit> {
  const loaded = await readVit(model === AUTO_MODEL ? await bestPlace(fetching) : await findPlace(model, fetching), overrides);
  // Here rather than in the commands, so that none of them is silent about it.
  if (loaded.choice) (fetching.output ?? process.stderr).write(`note: ${loaded.choice}\n`);
  return loaded;
}

/** The best ViT of the cache, or else of the package, whose file has another checksum. Fetches nothing; there may be none. */
export async function loadOtherVit(sha256: string): Promise<LoadedVit | undefined> {
  const stored = await storedModels();
  const rank = (name: string): number => (fetchable.findIndex((known) => known.name === name) + 1) || fetchable.length + 1;
  const places = [...stored.sort((a, b) => rank(a.name) - rank(b.name)).map(placeOf), (await findHere(DEFAULT_MODEL))!];
  for (const place of places) {
    const found = await readVit(place, {}).catch(() => undefined); // a damaged file of the cache: the next one will do
    if (found && found.sha256 !== sha256) return found;
  }
  return undefined;
}

/** @throws UsageError for an input of less than two patches */
export function checkVitSize(vitSize: number, { name, config }: VitModel): void {
  const least = 2 * config.patch;
  if (vitSize >= least) return;
  throw new UsageError(`--vit-size ${vitSize} is below ${least}, two patches of ${name}: give ${least} or more`);
}

/** A reference that finds the same weights again: a name, also where `auto` chose it, or the file's whole path. */
export function givenModel(model: string, { path, vit }: LoadedVit): string {
  if (model === AUTO_MODEL) return vit.name;
  return model === path ? resolve(path) : model;
}

async function findPlace(model: string, fetching: Fetching): Promise<Place> {
  const place = await findHere(model);
  if (place) return place;
  if (findKnown(model)) return fetched(model, fetching);
  if (/[\\/]|\.\w+$/.test(model) || (await exists(model))) return { path: model };
  const known = `known are ${knownModels.join(', ')} and what "splice-gpu models list" shows`;
  throw new UsageError(`unknown model "${model}": ${known}; or give the path of a file`);
}

/** A model of the package or the cache. */
async function findHere(model: string): Promise<Place | undefined> {
  const stored = await findStored(model);
  return shipped.find(({ name }) => name === model) ?? (stored && placeOf(stored));
}

const placeOf = (stored: StoredModel): Place => ({ path: weightsPath(stored), name: stored.name, sha256: stored.sha256 });

async function fetched(name: string, fetching: Fetching): Promise<Place> {
  const options = { signal: new AbortController().signal, output: process.stderr, ...fetching };
  return placeOf(await getModel(findKnown(name)!, options));
}

/** The preferred model if it is available or can be fetched at once, else the one that ships. */
async function bestPlace(fetching: Fetching): Promise<Place> {
  const fallback = (await findHere(DEFAULT_MODEL))!;
  const place = await findHere(PREFERRED_MODEL);
  if (place) return place;
  if (process.env['SPLICE_GPU_OFFLINE']) return fallback;
  try {
    return await fetched(PREFERRED_MODEL, { ...fetching, patience: IMPATIENT });
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    // The part of the error that is about the network.
    const reason = (error.cause instanceof Error && error.cause.message) || error.message.split(';')[0];
    const { output = process.stderr } = fetching;
    const problem = `no model was named and ${PREFERRED_MODEL} could not be fetched (${reason})`;
    output.write(`note: ${problem}: using ${DEFAULT_MODEL}, which ships\n`);
    return fallback;
  }
}
