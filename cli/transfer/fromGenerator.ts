/** Starts the training of one pair from a generator for any pair. */
import { CONDITION, conditionalUnet } from '../../model/generators/conditional.js';
import { flatten, layoutOf } from '../../model/generators/parameters.js';
import { termNames, unsteadied, type Steadying } from '../../model/method/options.js';
import { startSplice } from '../../model/training/pair.js';
import type { TrainingState } from '../../model/training/run.js';
import type { LoadedVit } from '../models/read.js';
import { InputError } from '../shared/errors.js';
import { checkVit, conditionsOf, readAnyPairGenerator, type LoadedGenerator } from '../train/generatorFile.js';
import type { Inputs } from './inputs.js';
import type { TransferOptions } from './options.js';

/** The start of a run with `options.generator`. @throws InputError when the file, or the ViT, is not the one it began with */
export async function generatorStart(
  { path, sha256 }: NonNullable<TransferOptions['generator']>, { model, appearance }: Inputs,
): Promise<typeof startSplice> {
  const generator = await readAnyPairGenerator(path);
  if (generator.sha256 !== sha256) {
    const remedy = 'put that one back, or start a new run with another --out';
    throw new InputError(`${path} is not the generator that the run began with: ${remedy}`);
  }
  checkVit(generator, model);
  return startFinetune(generator, model, appearance.path);
}

/** The state of a run that has made no step yet. */
export function startingState({ setup, weights }: LoadedGenerator, options: Steadying = unsteadied): TrainingState {
  const layout = layoutOf(conditionalUnet(setup.sizes));
  const [zeros, flat] = [() => new Float32Array(layout.size), flatten(layout, weights)];
  const arrays = new Map([['weights', flat], ['average', flat], ['momentum', zeros()], ['variance', zeros()]]);
  return { counters: {}, arrays: arrays.set('losses', new Float32Array(termNames(options).length).fill(NaN)) };
}

/** `startSplice` with a generator for any pair and the condition of the appearance photo at `path`. */
export const startFinetune = (generator: LoadedGenerator, model: LoadedVit, path: string): typeof startSplice =>
  async (engine, vit, structure, appearance, options, from = startingState(generator, options), more = {}) => {
    const [condition] = await conditionsOf(engine, model, generator, [path]);
    const { layers, dim } = generator.setup.sizes;
    engine.writeParameter(CONDITION, [layers, dim], condition!);
    const conditional = conditionalUnet(generator.setup.sizes);
    return startSplice(engine, vit, structure, appearance, options, from, { ...more, generator: conditional });
  };
