/** `transfer --generator FILE --finetune N`: a run of one pair that begins with a generator for all. */
import { startSplice as plainStart } from '../../model/training/pair.js';
import { CONDITION, conditionalUnet } from '../../model/generators/conditional.js';
import { flatten, layoutOf } from '../../model/generators/parameters.js';
import type { RunState } from '../../model/training/state.js';
import { InputError } from '../shared/errors.js';
import type { Inputs } from './inputs.js';
import { transfer, type TransferOptions, type TransferParts } from './transfer.js';
import type { LoadedVit } from '../models/load.js';
import { checkVit, conditionsOf, readGenerator, type LoadedGenerator } from '../train/generatorFile.js';

export interface FinetuneOptions {
  readonly generator: string;
  readonly steps: number;
  /** As for any pair. Recipe, sizes, ViT and how it is shown photos are the generator's unless given; the learning rate is smaller. */
  readonly transfer: TransferOptions;
  /** Whether an option was given on the command line. */
  readonly isGiven: (name: string) => boolean;
}

/** A pair's own rate, 0.002, is for weights that begin as chance: here it first undoes what was learned (test/study/heldOutPairs.ts measures both). */
const LR = 0.0002;

/** Answers with the exit code, as `transfer`. */
export async function finetune({ generator: path, steps, transfer: options, isGiven }: FinetuneOptions, parts: TransferParts): Promise<number> {
  const { setup, sha256 } = await readGenerator(path);
  const { splice } = options;
  const own = {
    recipe: isGiven('recipe') ? splice.recipe : setup.recipe,
    vitSize: isGiven('vitSize') ? splice.vitSize : setup.vitSize,
    antialias: isGiven('antialias') ? splice.antialias : setup.antialias,
    lr: isGiven('lr') ? splice.lr : LR,
  };
  return transfer({
    ...options,
    model: isGiven('model') ? options.model : setup.model.name,
    size: options.size ?? setup.size,
    splice: { ...splice, ...own, steps, warmStart: 0 },
    generator: { path, sha256 },
  }, parts);
}

/** How a run with `options.generator` starts. @throws InputError when the file, or the ViT, is not the one it began with */
export async function generalStart({ path, sha256 }: NonNullable<TransferOptions['generator']>, { model, appearance }: Inputs): Promise<typeof plainStart> {
  const generator = await readGenerator(path);
  if (generator.sha256 !== sha256) throw new InputError(`${path} is not the generator that the run began with: put that one back, or start anew with another --out`);
  checkVit(generator, model);
  return startFinetune(generator, model, appearance.path);
}

/** The state of a run that has made no step yet. */
export function startingState({ setup, weights }: LoadedGenerator): RunState {
  const layout = layoutOf(conditionalUnet(setup.sizes));
  const zeros = (): Float32Array => new Float32Array(layout.size);
  return { warmStepsDone: 0, stepsDone: 0, updates: 0, weights: flatten(layout, weights), momentum: zeros(), variance: zeros(), losses: new Float32Array(4).fill(NaN) };
}

/** `startSplice` for the appearance photo at `path`: with the general generator and its condition, from its weights or from a later state. */
export const startFinetune = (generator: LoadedGenerator, model: LoadedVit, path: string): typeof plainStart =>
  async (engine, vit, structure, appearance, options, from = startingState(generator)) => {
    const [condition] = await conditionsOf(engine, model, generator, [path]);
    const { layers, dim } = generator.setup.sizes;
    engine.writeParameter(CONDITION, [layers, dim], condition!);
    return plainStart(engine, vit, structure, appearance, options, from, conditionalUnet(generator.setup.sizes));
  };
