/** Makes the choices that a transfer's options leave to the program: for its photos, its ViT and this machine's device. */
import { layoutOf } from '../../model/generators/parameters.js';
import type { SpliceOptions } from '../../model/method/options.js';
import { recipes } from '../../model/method/recipes.js';
import type { Setting } from '../../model/method/steps.js';
import { memoryNeed, wideGraph } from '../../model/training/memoryNeed.js';
import { stepFlops } from '../../model/training/stepCost.js';
import { checkVitSize, loadVit } from '../models/load.js';
import type { LoadedVit } from '../models/read.js';
import { photoSize, shorterSide, type Size } from '../photos/photo.js';
import type { Parts } from '../run/parts.js';
import { UsageError } from '../shared/errors.js';
import { chooseFor, describeChoice, SMALLEST, type Choice, type PairFacts } from './choose.js';
import type { TransferOptions } from './options.js';

/** Options without anything left to choose, the ViT if it had to be read for that, and lines about what was chosen. */
export interface Settled {
  readonly options: TransferOptions;
  readonly model?: LoadedVit;
  readonly notes: readonly string[];
}

/** @throws InputError or UsageError for photos or a ViT that cannot be read, NoAdapterError without a device */
export async function settle(options: TransferOptions, parts: Parts): Promise<Settled> {
  const { choose = [], splice, size, ...rest } = options;
  if (choose.length === 0) return { options, notes: [] };
  const photos = [await photoSize(options.structure), await photoSize(options.appearance)];
  // What is too small is refused when it is read.
  const isTooSmall = Math.min(...photos.map(shorterSide), size ?? Infinity) < SMALLEST;
  if (isTooSmall) return { options: { ...options, choose: [] }, notes: [] };
  const model = await loadVit(options.model, options.vit, { signal: parts.interrupt, output: parts.stderr });
  checkModel(splice, model);
  const pair = pairFacts(options, photos, model);
  const device = await parts.deviceFacts();
  const given = { ...(size !== undefined && { size }), vitSize: splice.vitSize, steps: splice.steps };
  const { vitSize, steps, ...sized } = chooseFor(choose, given, device, pair);
  const choice: Choice = { ...sized, vitSize, steps };
  const notes = describeChoice(choose, choice, splice.warmStart, device, pair.flops(choice));
  return { options: { ...rest, ...sized, splice: { ...splice, vitSize, steps } }, model, notes };
}

/** @throws UsageError for a ViT input of less than two patches, or a layer that the ViT lacks */
export function checkModel({ vitSize, keyLayers }: Pick<SpliceOptions, 'vitSize' | 'keyLayers'>, { vit }: LoadedVit): void {
  checkVitSize(vitSize, vit);
  const { name, config: { depth } } = vit;
  const missing = keyLayers.find((layer) => layer >= depth);
  if (missing === undefined) return;
  throw new UsageError(`--key-layers ${missing}: ${name} has the layers 0 to ${depth - 1}: choose among these`);
}

function pairFacts({ splice, outputSize }: TransferOptions, photos: readonly Size[], { vit }: LoadedVit): PairFacts {
  const generator = recipes[splice.recipe].generator();
  /** The plan of a training at these sizes, which needs no pixels. */
  const settingOf = ({ size, vitSize }: Choice): Setting => {
    const [structure, appearance] = photos.map((photo) => {
      const scale = size === undefined ? 1 : size / shorterSide(photo);
      return { width: Math.round(photo.width * scale), height: Math.round(photo.height * scale), data: new Float32Array() };
    });
    return {
      vit: { ...vit, precision: splice.precision }, generator, layout: layoutOf(generator),
      structure: structure!, appearance: appearance!, options: { ...splice, vitSize },
    };
  };
  return {
    photos, patch: vit.config.patch, ...(outputSize !== undefined && { outputSize }),
    memory: (choice) => memoryNeed(settingOf(choice), undefined, undefined, wideGraph), // no device needs more
    flops: (choice) => stepFlops(settingOf(choice)),
  };
}
