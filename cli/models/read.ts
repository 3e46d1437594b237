/** Reads and checks a file with a ViT's weights, of any format. */
import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { CheckpointFileError, shown } from '../../model/files/errors.js';
import { openCheckpoint } from '../../model/files/read.js';
import { looksLikeIndex, parseShardIndex } from '../../model/files/shards.js';
import type { StoredTensor, StoredTensors } from '../../model/files/tensors.js';
import { vitFromFound } from '../../model/vit/checkpoint.js';
import type { VitModel } from '../../model/vit/config.js';
import { CheckpointError } from '../../model/vit/errors.js';
import { findVit, type FoundVit } from '../../model/vit/names.js';
import type { VitSettings } from '../../model/vit/settings.js';
import { InputError } from '../shared/errors.js';
import { readInput } from '../shared/files.js';
import type { Output } from '../shared/progress.js';
import { readSidecar, stem } from './sidecar.js';
import { replaceIt } from './trust.js';

export interface LoadedVit {
  readonly vit: VitModel;
  readonly path: string;
  /** Of the file; of an index, that of the index followed by all its shards. */
  readonly sha256: string;
  /** Advice about results made with it. */
  readonly note?: string;
  /** Which of several ViTs in the file it is. */
  readonly choice?: string;
}

/** Location of a model's weights. */
export interface Place {
  readonly path: string;
  /** The file's own name when absent. */
  readonly name?: string;
  readonly note?: string;
  /** The checksum in the cache's record. */
  readonly sha256?: string;
}

/** ViT-Large, the largest that fits the method, has 1.2 GB. */
const MAX_BYTES = 1.9e9;

/**
 * @param overrides take precedence over the sidecar
 * @throws InputError for anything wrong with the files
 */
export async function readVit(place: Place, overrides: VitSettings = {}): Promise<LoadedVit> {
  const { path, name, note } = place;
  const { tensors, sha256 } = await readCheckpoint(path);
  if (place.sha256 !== undefined && place.sha256 !== sha256) {
    const problem = `is damaged (SHA-256 ${sha256} instead of ${place.sha256})`;
    throw new InputError(`${path} in the cache ${problem}: ${replaceIt(name!)}`);
  }
  const settings = { ...(await readSidecar(path)), ...overrides };
  const { vit, choice } = explained(path, () => {
    const found = findVit(tensors);
    return { vit: vitFromFound(name ?? stem(path), found, settings), choice: choiceOf(path, found) };
  });
  return { vit, path, sha256, ...(note && { note }), ...(choice && { choice }) };
}

/** Says which of several ViTs it is: here rather than in the commands, so that none of them is silent about it. */
export function told(loaded: LoadedVit, output: Output = process.stderr): LoadedVit {
  if (loaded.choice) output.write(`note: ${loaded.choice}\n`);
  return loaded;
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
      const missing = `${shardPath} has no tensor ${shown(name)}, which ${path} puts there: get the files again`;
      if (!tensor) throw new InputError(missing);
      all.set(name, tensor);
    }
  }
  return { tensors: all, sha256: hash.digest('hex') };
}

const MOST_NAMED = 5;

function choiceOf(path: string, { prefix, others }: FoundVit): string {
  const unused = others.slice(0, MOST_NAMED).map((other) => `"${shown(other)}"`).join(', ');
  const more = others.length > MOST_NAMED ? ` and ${others.length - MOST_NAMED} more` : '';
  return unused && `${path} holds several ViTs: "${shown(prefix)}" is used, not ${unused}${more}`;
}

/** Adds the file's name, and the remedy for its kind, to errors about its content. */
function explained<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof CheckpointFileError || error instanceof CheckpointError)) throw error;
    throw new InputError([`${path}: ${error.message}`, error.remedy].filter(Boolean).join('; '), { cause: error });
  }
}
