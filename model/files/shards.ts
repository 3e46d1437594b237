/** The index of a checkpoint that is split over several files, as Hugging Face writes it: `model.safetensors.index.json`. */
import { CheckpointFileError, shown } from './errors.js';
import { boundedJson, isObject } from './json.js';

const MAX_INDEX = 4_000_000;
const MAX_SHARDS = 1000;

/** Whether the file begins as a JSON object. A safetensors file begins with a length, whose high bytes are zero. */
export const looksLikeIndex = (bytes: Uint8Array): boolean => /^\s*\{\s*"/.test(String.fromCharCode(...bytes.subarray(0, 64)));

/** The files that an index names, all in its folder, and the tensors in each. @throws CheckpointFileError if it is not one */
export function parseShardIndex(bytes: Uint8Array): Map<string, string[]> {
  const index = boundedJson(bytes, 'the index', MAX_INDEX);
  const places = isObject(index) ? index['weight_map'] : undefined;
  if (!isObject(places)) throw new CheckpointFileError('the index has no "weight_map" of tensors and files');
  const shards = new Map<string, string[]>();
  for (const [name, file] of Object.entries(places)) {
    if (typeof file !== 'string' || !/^[\w][\w.-]{0,200}$/.test(file)) {
      const place = typeof file === 'string' ? shown(file) : 'no file';
      throw new CheckpointFileError(`the index puts ${shown(name)} into ${place}: only files next to it are read`);
    }
    const names = shards.get(file) ?? [];
    names.push(name);
    shards.set(file, names);
  }
  if (shards.size === 0 || shards.size > MAX_SHARDS) throw new CheckpointFileError(`the index names ${shards.size} files`);
  return shards;
}
