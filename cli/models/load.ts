/** Finds, reads and checks the ViT's weights: by name from the package or the cache, or from a file. */
import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { CheckpointFileError } from '../../model/files/errors.js';
import { openCheckpoint } from '../../model/files/read.js';
import { looksLikeIndex, parseShardIndex } from '../../model/files/shards.js';
import type { StoredTensor, StoredTensors } from '../../model/files/tensors.js';
import { vitFromFound } from '../../model/vit/checkpoint.js';
import type { VitModel } from '../../model/vit/config.js';
import { CheckpointError } from '../../model/vit/errors.js';
import { findVit, type FoundVit } from '../../model/vit/names.js';
import type { VitSettings } from '../../model/vit/settings.js';
import { InputError, UsageError } from '../shared/errors.js';
import { exists, readInput } from '../shared/files.js';
import { getModel, type GetOptions } from './get.js';
import { AUTO_MODEL, DEFAULT_MODEL, findKnown, knownModels, PREFERRED_MODEL, shipped } from './known.js';
import { readSidecar, stem } from './sidecar.js';
import { findStored, weightsPath, type StoredModel } from './store.js';

export interface LoadedVit {
  readonly vit: VitModel;
  readonly path: string;
  /** Of the file; of an index, that of the index followed by all its shards. */
  readonly sha256: string;
  /** Advice about results made with it. */
  readonly note?: string;
}

/** Location of a model's weights. */
interface Place {
  readonly path: string;
  /** The file's own name when absent. */
  readonly name?: string;
  readonly note?: string;
  /** The checksum in the cache's record. */
  readonly sha256?: string;
}

/** For a model that the user did not name: a missing network must not be noticed. */
const IMPATIENT = { answerMs: 3000, attempts: 1 } as const;

/** ViT-Large, the largest that fits the method, has 1.2 GB. */
const MAX_BYTES = 1.9e9;

/** Settings of a download. */
export type Fetching = Partial<Pick<GetOptions, 'signal' | 'output' | 'patience'>>;

/**
 * @param model a known name (fetched on first use), `auto`, or the path of a checkpoint, recognised by content: safetensors, an
 * index of several, or PyTorch's; with the names of DINO, timm, Hugging Face or CLIP
 * @param overrides take precedence over the sidecar, a .json of the same name in the same folder
 * @throws UsageError for an unknown name, InputError for anything wrong with the files or the download
 */
export async function loadVit(model: string, overrides: VitSettings = {}, fetching: Fetching = {}): Promise<LoadedVit> {
  return loadFrom(model === AUTO_MODEL ? await bestPlace(fetching) : await findPlace(model, fetching), overrides);
}

async function loadFrom(place: Place, overrides: VitSettings): Promise<LoadedVit> {
  const { path, name, note } = place;
  const { tensors, sha256 } = await readCheckpoint(path);
  if (place.sha256 !== undefined && place.sha256 !== sha256) {
    const problem = `is damaged (SHA-256 ${sha256} instead of ${place.sha256})`;
    throw new InputError(`${path} in the cache ${problem}: splice-gpu models remove ${name!}, then get or add it again`);
  }
  const settings = { ...(await readSidecar(path)), ...overrides };
  const { vit, several } = explained(path, () => {
    const found = findVit(tensors);
    return { vit: vitFromFound(name ?? stem(path), found, settings), several: severalNote(found) };
  });
  const notes = [note, several].filter(Boolean).join('; ');
  return { vit, path, sha256, ...(notes && { note: notes }) };
}

/** Returns when the file at `path` holds a ViT. @throws InputError with what is wrong with it */
export const checkVitFile = async (path: string): Promise<void> => void (await loadFrom({ path }, {}));

/** @throws UsageError for an input of less than two patches */
export function checkVitSize(vitSize: number, { name, config }: VitModel): void {
  const least = 2 * config.patch;
  if (vitSize >= least) return;
  throw new UsageError(`--vit-size ${vitSize} is below ${least}, two patches of ${name}: give ${least} or more`);
}

async function findPlace(model: string, fetching: Fetching): Promise<Place> {
  const place = findShipped(model) ?? placeOf(await findStored(model));
  if (place) return place;
  if (findKnown(model)) return fetched(model, fetching);
  if (/[\\/]|\.\w+$/.test(model) || (await exists(model))) return { path: model };
  const known = `known are ${knownModels.join(', ')} and what "splice-gpu models list" shows`;
  throw new UsageError(`unknown model "${model}": ${known}; or give the path of a file`);
}

const findShipped = (model: string): Place | undefined => shipped.find(({ name }) => name === model);

const placeOf = (stored: StoredModel | undefined): Place | undefined =>
  stored && { path: weightsPath(stored), name: stored.name, sha256: stored.sha256 };

async function fetched(name: string, fetching: Fetching): Promise<Place> {
  const options = { signal: new AbortController().signal, output: process.stderr, ...fetching };
  return placeOf(await getModel(findKnown(name)!, options, checkVitFile))!;
}

/** The preferred model if it is available or can be fetched at once, else the one that ships. */
async function bestPlace(fetching: Fetching): Promise<Place> {
  const fallback = findShipped(DEFAULT_MODEL)!;
  const place = placeOf(await findStored(PREFERRED_MODEL));
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

/** All tensors of a file, or of the files that an index names. */
async function readCheckpoint(path: string): Promise<{ tensors: StoredTensors; sha256: string }> {
  const bytes = await readInput(path, MAX_BYTES);
  const hash = createHash('sha256').update(bytes);
  if (!looksLikeIndex(bytes)) {
    const tensors = explained(path, () => openCheckpoint(bytes));
    return { tensors, sha256: hash.digest('hex') };
  }
  const all = new Map<string, StoredTensor>();
  for (const [file, names] of explained(path, () => parseShardIndex(bytes))) {
    const shardPath = join(dirname(path), file);
    const shard = await readInput(shardPath, MAX_BYTES);
    hash.update(shard);
    const tensors = explained(shardPath, () => openCheckpoint(shard));
    for (const name of names) {
      const tensor = tensors.get(name);
      if (!tensor) throw new InputError(`${shardPath} has no tensor ${name}, which ${path} puts there: get the files again`);
      all.set(name, tensor);
    }
  }
  return { tensors: all, sha256: hash.digest('hex') };
}

function severalNote({ prefix, others }: FoundVit): string {
  const unused = others.map((other) => `"${other}"`).join(', ');
  return unused && `the file holds several ViTs: "${prefix}" is used, not ${unused}`;
}

/** Adds the file's name and a remedy to errors about its content. */
function explained<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof CheckpointFileError || error instanceof CheckpointError)) throw error;
    throw new InputError(`${path}: ${error.message}; get the file again or use another ViT`, { cause: error });
  }
}
