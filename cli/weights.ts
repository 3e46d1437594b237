/** Finds, reads and checks the ViT's weights. */
import { access, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { CheckpointFileError } from '../model/checkpoints/errors.js';
import { parseSafetensors } from '../model/safetensors.js';
import { parseSidecar, vitFromWeights, type VitSettings } from '../model/vit/checkpoint.js';
import { CheckpointError } from '../model/vit/errors.js';
import type { VitModel } from '../model/vit/config.js';
import { fileProblem, InputError, UsageError } from './errors.js';
import { packageRoot, readInput, sha256 } from './files.js';

export interface LoadedVit {
  readonly vit: VitModel;
  readonly path: string;
  readonly sha256: string;
  /** What a user should know about results made with it. */
  readonly note?: string;
}

interface KnownModel {
  readonly path: string;
  readonly note: string;
}

export const DEFAULT_MODEL = 'untrained';

/** Models by name, in the package itself. */
const known: ReadonlyMap<string, KnownModel> = new Map([
  [
    DEFAULT_MODEL,
    {
      path: join(packageRoot, 'model/weights/untrained.safetensors'),
      note: 'the model "untrained" has random weights and recognises nothing: colours and texture will move, but not object by object. For real results give trained weights with --model FILE',
    },
  ],
]);

export const knownModels = (): string[] => [...known.keys()];

/** A safetensors file of the largest ViT that fits such a file's use here: ViT-Large has 1.2 GB. */
const MAX_BYTES = 1.9e9;

/**
 * @param model a known name, or the path of a .safetensors file with DINO's or timm's names
 * @param overrides stronger than the sidecar, a .json of the same name beside the file
 * @throws UsageError for a name nobody knows, InputError for everything that is wrong with the files
 */
export async function loadVit(model: string, overrides: VitSettings = {}): Promise<LoadedVit> {
  const named = known.get(model);
  if (!named && !(await isPath(model))) {
    throw new UsageError(`unknown model "${model}": known is ${knownModels().join(', ')}; or give the path of a .safetensors file`);
  }
  const path = named?.path ?? model;
  const bytes = await readInput(path, MAX_BYTES);
  checkFormat(path, bytes);
  const sidecar = await readSidecar(path);
  try {
    const { tensors } = parseSafetensors(bytes);
    const vit = vitFromWeights(named ? model : basename(path, '.safetensors'), tensors, { ...sidecar, ...overrides });
    return { vit, path, sha256: sha256(bytes), ...(named && { note: named.note }) };
  } catch (error) {
    throw isAboutWeights(error) ? new InputError(`${path}: ${error.message}; get the file again or use another ViT`, { cause: error }) : error;
  }
}

/** Anything that looks like a path, or is one. */
async function isPath(model: string): Promise<boolean> {
  if (/[\\/]|\.\w+$/.test(model)) return true;
  return access(model).then(() => true, () => false);
}

/** Other checkpoint formats are recognised to say so, rather than as damaged files. */
function checkFormat(path: string, bytes: Buffer): void {
  const isZip = bytes.subarray(0, 2).toString('latin1') === 'PK';
  const isPickle = bytes[0] === 0x80 && bytes[1]! >= 2 && bytes[1]! <= 5 && bytes[7] !== 0;
  if (isZip || isPickle) throw new InputError(`${path} is a PyTorch checkpoint: convert it to .safetensors first`);
}

async function readSidecar(weightsPath: string): Promise<VitSettings> {
  const path = weightsPath.replace(/(\.safetensors)?$/, '.json');
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new InputError(`${path} ${fileProblem(error)}`, { cause: error });
  }
  try {
    return parseSidecar(JSON.parse(text));
  } catch (error) {
    const reason = error instanceof CheckpointError ? error.message : 'it is not JSON';
    throw new InputError(`${path} does not describe a ViT (${reason}): correct or remove it`, { cause: error });
  }
}

const isAboutWeights = (error: unknown): error is Error => error instanceof CheckpointFileError || error instanceof CheckpointError;
