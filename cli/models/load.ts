/** Finds a ViT's weights: by name in the package, in the cache or at their makers, or a file by its path. */
import { resolve } from 'node:path';
import { shown } from '../../model/files/errors.js';
import type { VitModel } from '../../model/vit/config.js';
import { CheckpointError } from '../../model/vit/errors.js';
import type { VitSettings } from '../../model/vit/settings.js';
import { isAbort, UsageError } from '../shared/errors.js';
import { exists } from '../shared/files.js';
import { checkRefused, checkStored, getModel, type GetOptions } from './get.js';
import { AUTO_MODEL, DEFAULT_MODEL, fetchable, findKnown, knownModels, PREFERRED_MODEL, shipped } from './known.js';
import { readVit, told, type LoadedVit, type Place } from './read.js';
import { TransientError } from './request.js';
import { findStored, storedModels, weightsPath, type StoredModel } from './store.js';

/** For a model that the user did not name: a missing network must not cost noticeable time. */
const IMPATIENT = { answerMs: 3000, attempts: 1 } as const;

const fallback = shipped.find(({ name }) => name === DEFAULT_MODEL)!;

/** Settings of a download. */
export type Fetching = Partial<Pick<GetOptions, 'signal' | 'output' | 'patience'>>;

/**
 * @param model a known name (fetched on first use), `auto`, or the path of a checkpoint, recognised by content: safetensors, an
 * index of several, or PyTorch's; with the names of DINO, timm, Hugging Face or CLIP
 * @param overrides take precedence over the sidecar, a .json of the same name in the same folder
 * @throws UsageError for an unknown name, InputError for anything wrong with the files or the download
 */
export async function loadVit(model: string, overrides: VitSettings = {}, fetching: Fetching = {}): Promise<LoadedVit> {
  const loaded = await (model === AUTO_MODEL ? loadBest(overrides, fetching) : findPlace(model, fetching).then(
    (place) => readVit(place, overrides)));
  return told(loaded, fetching.output);
}

/** The best ViT of the cache, or else of the package, whose file has another checksum. Fetches nothing; there may be none. */
export async function loadOtherVit(sha256: string, fetching: Pick<Fetching, 'output'> = {}): Promise<LoadedVit | undefined> {
  const stored = await storedModels();
  const rank = (name: string): number => (fetchable.findIndex((known) => known.name === name) + 1) || fetchable.length + 1;
  const sound = stored.filter(({ trust }) => trust !== 'wrong');
  const places = [...sound.sort((a, b) => rank(a.name) - rank(b.name)).map(placeOf), fallback];
  for (const place of places) {
    const found = await readVit(place, {}).catch(() => undefined); // a damaged file of the cache: the next one will do
    if (found && found.sha256 !== sha256) return told(found, fetching.output);
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

/**
 * As `loadVit`, for a name that is read from a file: a stranger may have written it, so it is never taken for a path.
 * @throws UsageError unless a model of the package, the cache or the list has the name
 */
export async function loadNamedVit(name: string, fetching: Fetching): Promise<LoadedVit> {
  if (name !== AUTO_MODEL && (findKnown(name) || (await findHere(name, fetching)))) return loadVit(name, {}, fetching);
  throw new UsageError(`unknown model "${shown(name)}"`);
}

async function findPlace(model: string, fetching: Fetching): Promise<Place> {
  const place = await findHere(model, fetching);
  if (place) return place;
  if (findKnown(model)) return fetched(model, fetching);
  if (/[\\/]|\.\w+$/.test(model) || (await exists(model))) return { path: model };
  const known = `known are ${knownModels.join(', ')} and what "splice-gpu models list" shows`;
  throw new UsageError(`unknown model "${model}": ${known}; or give the path of a file`);
}

/** A model of the package or the cache. @throws InputError for a file of the cache that is not what it should be */
async function findHere(model: string, { output = process.stderr }: Fetching): Promise<Place | undefined> {
  const ships = shipped.find(({ name }) => name === model);
  const stored = ships ? undefined : await findStored(model);
  if (stored && checkStored(stored).trust === 'trusted') {
    output.write(`note: ${model} has SHA-256 ${stored.sha256}, not the reported one: it was accepted with --trust\n`);
  }
  return ships ?? (stored && placeOf(stored));
}

const placeOf = (stored: StoredModel): Place => ({ path: weightsPath(stored), name: stored.name, sha256: stored.sha256 });

async function fetched(name: string, fetching: Fetching): Promise<Place> {
  const options = { signal: new AbortController().signal, output: process.stderr, ...fetching };
  const model = findKnown(name)!;
  await checkRefused(model);
  return placeOf(await getModel(model, options));
}

/**
 * The preferred model if it is in the cache or can be fetched at once, else the one that ships. Whatever is wrong with the former
 * costs a line: a user who named no model must not be stopped by it.
 */
async function loadBest(overrides: VitSettings, fetching: Fetching): Promise<LoadedVit> {
  let problem = 'cannot be used';
  try {
    let place = await findHere(PREFERRED_MODEL, fetching);
    if (!place) {
      problem = 'could not be fetched';
      if (process.env['SPLICE_GPU_OFFLINE']) return await readVit(fallback, overrides);
      place = await fetched(PREFERRED_MODEL, { ...fetching, patience: IMPATIENT });
    }
    return await readVit(place, overrides);
  } catch (error) {
    // Settings of the command line that contradict a sound file are the user's to change.
    if (isAbort(error) || fetching.signal?.aborted || (error as Error).cause instanceof CheckpointError) throw error;
    const { output = process.stderr } = fetching;
    const text = `no model was named and ${PREFERRED_MODEL} ${problem} (${reasonOf(error as Error)})`;
    output.write(`note: ${text}: using ${DEFAULT_MODEL}, which ships\n`);
    return readVit(fallback, overrides);
  }
}

/** Without a network, that is all there is to say; otherwise the remedy belongs to it. */
const reasonOf = ({ message, cause }: Error): string =>
  (cause instanceof TransientError ? cause.message : message).split('\n', 1)[0]!;
