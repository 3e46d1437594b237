/** Opens a checkpoint of any supported format, recognised by content: names can be wrong. */
import { openSafetensors } from './safetensors.js';
import { CheckpointFileError } from './errors.js';
import { legacyMark, openLegacyTorch, openTorchZip } from './torch.js';
import type { StoredTensors } from './tensors.js';

/** Files that are often mistaken for weights, each with its remedy. */
const others: readonly (readonly [start: RegExp, what: string, remedy: string])[] = [
  [/^version https:\/\/git-lfs/, 'a Git LFS pointer', 'fetch the file itself (git lfs pull)'],
  [/^\s*<(!doctype|html|\?xml)/i, 'a web page, not weights', 'the download went wrong, get the file again'],
  [/^\x1f\x8b/, 'compressed with gzip', 'unpack it first'],
  [/^\x89HDF/, 'an HDF5 file (Keras)', 'save the weights as .safetensors'],
  [/^[\s\S]{257}ustar/, 'a tar archive, of PyTorch before 0.1.10 or of something else', 'save the weights again with torch.save'],
  [/^\x80[\x02-\x05]/, 'a pickle, but not one that torch.save wrote', 'save the weights with torch.save'],
  [/^(\xff\xd8\xff|\x89PNG|RIFF)/, 'a picture, not weights', 'give the file of a checkpoint'],
];

/**
 * All tensors of a PyTorch checkpoint (zip or legacy stream, TorchScript archives too) or a safetensors file, under their paths.
 * Nothing in the file is executed. A tensor is read only when requested; `bytes` must not change until then.
 * @throws CheckpointFileError naming what is wrong
 */
export function openCheckpoint(bytes: Uint8Array): StoredTensors {
  const head = String.fromCharCode(...bytes.subarray(0, 262));
  if (head.startsWith('PK\x03\x04')) return openTorchZip(bytes);
  if (legacyMark(bytes) > 0) return openLegacyTorch(bytes);
  const looksLikeSafetensors = head[8] === '{' || head[8] === ' ';
  const other = looksLikeSafetensors ? undefined : others.find(([start]) => start.test(head));
  if (other) throw new CheckpointFileError(`it is ${other[1]}`, other[2]);
  return openSafetensors(bytes).tensors;
}
