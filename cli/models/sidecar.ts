/** Settings of a ViT from the files next to its weights. */
import { basename, dirname, join } from 'node:path';
import { CheckpointError } from '../../model/vit/errors.js';
import { parseHuggingFace, parseSidecar, type VitSettings } from '../../model/vit/settings.js';
import { fileError, InputError } from '../shared/errors.js';
import { readText } from '../shared/read.js';

/** Names that Hugging Face gives to weights; a `config.json` counts only next to those. */
const HUGGING_FACE = /^(model|pytorch_model|open_clip_pytorch_model)\.(safetensors|bin|safetensors\.index\.json)$/;

const EXTENSIONS = /(\.safetensors\.index\.json|\.safetensors|\.pth|\.pt|\.bin|\.ckpt)$/;

/** The name of a model by its file: without the extensions of formats. */
export const stem = (path: string): string => basename(path).replace(EXTENSIONS, '');

/**
 * A .json of the weights' name, or Hugging Face's own files.
 * @throws InputError when a file is there but not understood
 */
export async function readSidecar(weightsPath: string): Promise<VitSettings> {
  const folder = dirname(weightsPath);
  const own = join(folder, `${stem(weightsPath)}.json`);
  const sidecar = await readIfPresent(own);
  if (sidecar !== undefined) return parsed(own, () => parseSidecar(sidecar));
  if (!HUGGING_FACE.test(basename(weightsPath))) return {};
  const config = join(folder, 'config.json');
  const [model, preprocessor] = [await readIfPresent(config), await readIfPresent(join(folder, 'preprocessor_config.json'))];
  return parsed(config, () => parseHuggingFace(model, preprocessor));
}

/** @throws InputError that names the file */
function parsed<T>(path: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof CheckpointError || error instanceof SyntaxError)) throw error;
    const reason = error instanceof SyntaxError ? 'it is not JSON' : error.message;
    throw new InputError(`${path} does not describe a ViT (${reason}): correct or remove it`, { cause: error });
  }
}

/** The value in a JSON file, undefined when there is none. */
async function readIfPresent(path: string): Promise<unknown> {
  const text = await readText(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw fileError(path, error);
  });
  return text === undefined ? undefined : parsed(path, () => JSON.parse(text) as unknown);
}
