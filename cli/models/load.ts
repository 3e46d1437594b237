/** Finds, reads and checks the ViT's weights: by name from the package or the cache, or from a file. */
import { createHash } from 'node:crypto';
import { access } from 'node:fs/promises';
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
import { packageRoot, readInput } from '../shared/files.js';
import { getModel, type GetOptions } from './get.js';
import { fetchable, findKnown } from './known.js';
import { findStored, weightsPath } from './store.js';
import { readSidecar, stem } from './sidecar.js';

export interface LoadedVit {
  readonly vit: VitModel;
  readonly path: string;
  /** Of the file; of the index and all its shards, one after the other, where there are several. */
  readonly sha256: string;
  /** What a user should know about results made with it. */
  readonly note?: string;
}

/** Where a model's weights are. */
interface Place {
  readonly path: string;
  /** Under which it is known; a file's own when absent. */
  readonly name?: string;
  readonly note?: string;
  /** What the cache says its checksum is. */
  readonly sha256?: string;
}

/** The model to fall back on: it ships with the project, which trained it itself. */
export const DEFAULT_MODEL = 'vit_mini8';
/** Random weights, to compare with. */
export const UNTRAINED_MODEL = 'untrained';
/** `--model auto`: the best model at hand. */
export const AUTO_MODEL = 'auto';
/** The smallest of those the method works well with. */
const PREFERRED = 'dino_vits8';
/** For a model nobody asked for: a missing network must not be noticed. */
const IMPATIENT = { answerMs: 3000, attempts: 1 } as const;

/** Models by name, in the package itself. */
const shipped: ReadonlyMap<string, Place> = new Map(([
  [DEFAULT_MODEL, 'the model "vit_mini8" is small: it learned on pictures of 64 pixels to see what a supervised ViT-Tiny sees. What it makes are no DINO results; for those: --model dino_vits8'],
  ['dino_mini8', 'the model "dino_mini8" is tiny and was trained for a short while on small pictures: it tells apart what looks different, but knows no objects. For real results: --model dino_vits8'],
  [UNTRAINED_MODEL, 'the model "untrained" has random weights and recognises nothing: colours and texture will move, but not object by object. For real results: --model dino_vits8'],
] as const).map(([name, note]) => [name, { name, note, path: join(packageRoot, `model/weights/${name}.safetensors`) }]));

/** Names that --model knows without a file: shipped, then fetched on first use. */
export const knownModels = (): string[] => [...shipped.keys(), ...fetchable.map(({ name }) => name)];

/** Models that are part of the package. */
export const shippedModels = (): { name: string; path: string }[] => [...shipped].map(([name, { path }]) => ({ name, path }));

/** The files of the largest ViT that fits such a file's use here: ViT-Large has 1.2 GB. */
const MAX_BYTES = 1.9e9;

/** How a model that is not there is fetched. */
export type Fetching = Partial<Pick<GetOptions, 'signal' | 'output' | 'mirror' | 'patience'>>;

/**
 * @param model a known name (fetched on first use), `auto`, or the path of a checkpoint, told apart by content: safetensors, an index of
 * several, or PyTorch's; DINO's, timm's, Hugging Face's or CLIP's names
 * @param overrides stronger than the sidecar, a .json of the same name beside the file
 * @throws UsageError for a name nobody knows, InputError for everything that is wrong with the files or the download
 */
export async function loadVit(model: string, overrides: VitSettings = {}, fetching: Fetching = {}): Promise<LoadedVit> {
  return loadFrom(model === AUTO_MODEL ? await bestPlace(fetching) : await findPlace(model, fetching), overrides);
}

async function loadFrom(place: Place, overrides: VitSettings): Promise<LoadedVit> {
  const { path, name, note } = place;
  const { tensors, sha256 } = await readCheckpoint(path);
  if (place.sha256 !== undefined && place.sha256 !== sha256) {
    throw new InputError(`${path} in the cache is damaged (SHA-256 ${sha256} instead of ${place.sha256}): splice-gpu models remove ${name!}, then get or add it again`);
  }
  const settings = { ...(await readSidecar(path)), ...overrides };
  const { vit, several } = explained(path, () => {
    const found = findVit(tensors);
    return { vit: vitFromFound(name ?? stem(path), found, settings), several: severalNote(found) };
  });
  const notes = [note, several].filter(Boolean).join('; ');
  return { vit, path, sha256, ...(notes && { note: notes }) };
}

/** Returns when the file at `path` holds a ViT. @throws InputError that says what is wrong with it */
export const checkVitFile = async (path: string): Promise<void> => void (await loadFrom({ path }, {}));

async function findPlace(model: string, fetching: Fetching): Promise<Place> {
  const own = shipped.get(model);
  if (own) return own;
  const stored = await findStored(model);
  if (stored) return { path: weightsPath(stored), name: model, sha256: stored.sha256 };
  const known = findKnown(model);
  if (known) return fetched(known.name, fetching);
  if (await isPath(model)) return { path: model };
  throw new UsageError(`unknown model "${model}": known are ${knownModels().join(', ')} and what "splice-gpu models list" shows; or give the path of a file`);
}

async function fetched(name: string, { signal, output, mirror, patience }: Fetching): Promise<Place> {
  const options = { signal: signal ?? new AbortController().signal, output: output ?? process.stderr, ...(mirror && { mirror }), ...(patience && { patience }) };
  const stored = await getModel(findKnown(name)!, options, checkVitFile);
  return { path: weightsPath(stored), name, sha256: stored.sha256 };
}

/** The preferred model if it is at hand or can be fetched at once, else the one that ships. */
async function bestPlace(fetching: Fetching): Promise<Place> {
  const fallback = shipped.get(DEFAULT_MODEL)!;
  const stored = await findStored(PREFERRED);
  if (stored) return { path: weightsPath(stored), name: PREFERRED, sha256: stored.sha256 };
  if (process.env['SPLICE_GPU_OFFLINE']) return fallback;
  try {
    return await fetched(PREFERRED, { ...fetching, patience: { ...IMPATIENT, ...fetching.patience } });
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const output = fetching.output ?? process.stderr;
    output.write(`note: no model was named and ${PREFERRED} could not be fetched (${reason(error)}): using ${DEFAULT_MODEL}, which ships\n`);
    return fallback;
  }
}

/** The part of a download's error that is about the network. */
const reason = ({ message, cause }: InputError): string => (cause instanceof Error && cause.message ? cause.message : message.split(';')[0]!);

/** Anything that looks like a path, or is one. */
async function isPath(model: string): Promise<boolean> {
  if (/[\\/]|\.\w+$/.test(model)) return true;
  return access(model).then(() => true, () => false);
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

const severalNote = ({ prefix, others }: FoundVit): string | undefined =>
  others.length > 0 ? `the file holds several ViTs: "${prefix}" is used, not ${others.map((other) => `"${other}"`).join(', ')}` : undefined;

/** What is wrong with a file, with its name and a remedy. */
function explained<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const isAboutWeights = error instanceof CheckpointFileError || error instanceof CheckpointError;
    throw isAboutWeights ? new InputError(`${path}: ${error.message}; get the file again or use another ViT`, { cause: error }) : error;
  }
}
