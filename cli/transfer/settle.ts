/** Makes the choices that a transfer's options leave to the program: for its photos, its ViT and this machine's device. */
import type { SpliceOptions } from '../../model/method/options.js';
import { fitTo, isWorthIt, stepSeconds, unlessTooLarge, type Fitted, type MeasureStep } from '../../model/training/fit.js';
import { pairFacts } from '../../model/training/pairFacts.js';
import { SMALLEST, type Choice } from '../../model/training/sizes.js';
import { checkVitSize, loadVit } from '../models/load.js';
import { AUTO_MODEL, DEFAULT_MODEL } from '../models/known.js';
import type { LoadedVit } from '../models/read.js';
import { photoSize, readImage, shorterSide, type Size } from '../photos/photo.js';
import type { Parts } from '../run/parts.js';
import { UsageError } from '../shared/errors.js';
import { chooseFor, describeChoice } from './choose.js';
import { describeFit } from './fit.js';
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
  if (options.fit !== undefined) return fitted(options, photos, parts);
  const model = await loadVit(options.model, options.vit, { signal: parts.interrupt, output: parts.stderr });
  checkModel(splice, model);
  const pair = pairFacts(model.vit, photos, splice, options.outputSize);
  const device = await parts.deviceFacts();
  const given = { ...(size !== undefined && { size }), vitSize: splice.vitSize, steps: splice.steps };
  const { vitSize, steps, ...sized } = chooseFor(choose, given, device, pair);
  const choice: Choice = { ...sized, vitSize, steps };
  const notes = describeChoice(choose, choice, splice.warmStart, device, pair.flops(choice));
  return { options: { ...rest, ...sized, splice: { ...splice, vitSize, steps } }, model, notes };
}

/** With what was measured to end in time, with the best ViT for which that is worth it. */
async function fitted(options: TransferOptions, photos: readonly Size[], parts: Parts): Promise<Settled> {
  const { choose = [], fit: seconds = Infinity, splice, size, ...rest } = options;
  const began = performance.now();
  const spent = (): number => (performance.now() - began) / 1000;
  const limits = { device: await parts.deviceFacts(), seconds, spent, warmStart: splice.warmStart };
  const given = { ...(size !== undefined && { size }), vitSize: splice.vitSize, steps: splice.steps };
  const tried = new Set<string>();
  let found: (Fitted & { readonly model: LoadedVit }) | undefined;
  for (const name of options.model === AUTO_MODEL ? [AUTO_MODEL, DEFAULT_MODEL] : [options.model]) {
    const model = await loadVit(name, options.vit, { signal: parts.interrupt, output: parts.stderr });
    if (tried.has(model.sha256)) continue;
    tried.add(model.sha256);
    checkModel(splice, model);
    const measure: MeasureStep = (choice) => unlessTooLarge(measureStep(options, model, choice, parts));
    found = { ...(await fitTo(choose, given, limits, pairFacts(model.vit, photos, splice, options.outputSize), measure)), model };
    if (isWorthIt(found)) break;
  }
  const { model, vitSize, steps, secondsPerStep: _, ...sized } = found!;
  const named = options.model === AUTO_MODEL ? model.vit.name : options.model;
  const notes = [describeFit(found!, limits, options.model === AUTO_MODEL ? named : undefined)];
  return { options: { ...rest, ...sized, model: named, splice: { ...splice, vitSize, steps } }, model, notes };
}

async function measureStep(
  { structure, appearance, splice }: TransferOptions, { vit }: LoadedVit, { size, vitSize }: Choice, parts: Parts,
): Promise<number> {
  const reading = size === undefined ? {} : { shorterSide: size };
  const photos = [await readImage(structure, reading), await readImage(appearance, reading)] as const;
  const { engine, close } = await parts.openEngine({ precision: splice.precision });
  try {
    const run = await parts.startSplice(engine, vit, ...photos, { ...splice, vitSize, warmStart: 0 });
    try {
      return await stepSeconds(run, () => parts.interrupt.throwIfAborted());
    } finally {
      run.destroy();
    }
  } finally {
    close();
  }
}

/** @throws UsageError for a ViT input of less than two patches, or a layer that the ViT lacks */
export function checkModel({ vitSize, keyLayers }: Pick<SpliceOptions, 'vitSize' | 'keyLayers'>, { vit }: LoadedVit): void {
  checkVitSize(vitSize, vit);
  const { name, config: { depth } } = vit;
  const missing = keyLayers.find((layer) => layer >= depth);
  if (missing === undefined) return;
  throw new UsageError(`--key-layers ${missing}: ${name} has the layers 0 to ${depth - 1}: choose among these`);
}
