/** `--test-time-registers`: neurons that are found once, or given, so that their outliers leave the patches. */
import { join } from 'node:path';
import type { Neuron } from '../../model/vit/config.js';
import { CheckpointError } from '../../model/vit/errors.js';
import { withRegisterNeurons } from '../../model/vit/registers.js';
import type { LoadedVit } from '../models/read.js';
import { readImage } from '../photos/photo.js';
import { UsageError } from '../shared/errors.js';
import { packageRoot } from '../shared/files.js';
import type { Parts } from './parts.js';

/** Shorter side of the ViT's input when neurons are looked for. */
const SIDE = 224;
const MOST = 100;

/** A number of neurons, or a list of them. @throws RangeError for another text */
export function registersOf(text: string): number | readonly Neuron[] {
  const count = Number(text);
  if (/^\d+$/.test(text) && count >= 1 && count <= MOST) return count;
  if (/^\d+:\d+(,\d+:\d+)*$/.test(text)) {
    return text.split(',').map((pair) => pair.split(':').map(Number) as unknown as Neuron);
  }
  throw new RangeError(`Give a count from 1 to ${MOST}, or neurons as layer:unit with commas, such as 7:417,6:189.`);
}

/**
 * The ViT with its outlier neurons moved to an added token. They are looked for in the two landscapes of the package, so that
 * they depend on the ViT alone. A ViT without outliers stays as it is, which is said.
 * @throws UsageError for a ViT with registers of its own, and for neurons that it does not have
 */
export async function withTestTimeRegisters(loaded: LoadedVit, text: string | undefined, parts: Parts): Promise<LoadedVit> {
  // A resumed run has them from its config.json.
  if (text === undefined || loaded.vit.config.registerNeurons) return loaded;
  const { vit } = loaded;
  try {
    if (vit.config.registers) return { ...loaded, vit: withRegisterNeurons(vit, []) };
    const choice = registersOf(text);
    const neurons = typeof choice === 'number' ? await found(loaded, choice, parts) : choice;
    return neurons.length === 0 ? loaded : { ...loaded, vit: withRegisterNeurons(vit, neurons) };
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    throw new UsageError(`--test-time-registers ${text}: ${vit.name} cannot have them: ${error.message}`, { cause: error });
  }
}

async function found({ vit }: LoadedVit, count: number, { openEngine, stderr }: Parts): Promise<readonly Neuron[]> {
  const { findRegisterNeurons } = await import('../../model/study/registerNeurons.js');
  const pictures = await Promise.all(['valley', 'peaks'].map((name) => readImage(join(packageRoot, 'cli/demo', `${name}.png`))));
  const { engine, close } = await openEngine();
  try {
    const { neurons, activations, longest } = await findRegisterNeurons(engine, vit, pictures, SIDE, count);
    const least = `no patch of ${vit.name} stands out (the longest token has ${longest.toFixed(1)} medians)`;
    const list = neurons.map((pair, i) => `${pair.join(':')} (mean activation ${activations[i]!.toFixed(1)})`).join(', ');
    stderr.write(`note: ${neurons.length === 0 ? `${least}: it stays as it is` : `neurons moved to a register: ${list}`}\n`);
    return neurons;
  } finally {
    close();
  }
}
