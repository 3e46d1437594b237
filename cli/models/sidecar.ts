/** Settings of a ViT in the files beside its weights. */
import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { CheckpointError } from '../../model/vit/errors.js';
import { parseHuggingFace, parseSidecar, type VitSettings } from '../../model/vit/settings.js';
import { fileProblem, InputError } from '../shared/errors.js';

/** The names Hugging Face gives to weights; only beside those its `config.json` is believed. */
const HUGGING_FACE = /^(model|pytorch_model|open_clip_pytorch_model)\.(safetensors|bin|safetensors\.index\.json)$/;

/** The name of a model by its file: without what formats add. */
export const stem = (path: string): string => basename(path).replace(/(\.safetensors\.index\.json|\.safetensors|\.pth|\.pt|\.bin|\.ckpt)$/, '');

/**
 * A .json of the weights' name, or Hugging Face's own files.
 * @throws InputError when a file is there but not understood
 */
export async function readSidecar(weightsPath: string): Promise<VitSettings> {
  const folder = dirname(weightsPath);
  const own = join(folder, `${stem(weightsPath)}.json`);
  const sidecar = await readJson(own);
  if (sidecar !== undefined) return parsed(own, () => parseSidecar(sidecar));
  if (!HUGGING_FACE.test(basename(weightsPath))) return {};
  const config = join(folder, 'config.json');
  const [model, preprocessor] = [await readJson(config), await readJson(join(folder, 'preprocessor_config.json'))];
  return parsed(config, () => parseHuggingFace(model, preprocessor));
}

function parsed(path: string, parse: () => VitSettings): VitSettings {
  try {
    return parse();
  } catch (error) {
    throw error instanceof CheckpointError ? misfit(path, error.message, error) : error;
  }
}

const misfit = (path: string, reason: string, cause: unknown): InputError => new InputError(`${path} does not describe a ViT (${reason}): correct or remove it`, { cause });

/** What a JSON file holds, undefined when there is none. */
async function readJson(path: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new InputError(`${path} ${fileProblem(error)}`, { cause: error });
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw misfit(path, 'it is not JSON', error);
  }
}
