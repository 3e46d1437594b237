/** The options of a training on many pairs, and how config.json holds them. */
import { resolve } from 'node:path';
import { parseSizes } from '../../model/anyPair/file.js';
import { defaultAnyPair } from '../../model/anyPair/options.js';
import { isCount } from '../../model/files/json.js';
import type { AnyPairOptions } from '../../model/anyPair/training.js';
import { unsteadied, withoutUnused } from '../../model/method/options.js';
import type { ConditionalSizes } from '../../model/generators/sizes.js';
import { givenModel } from '../models/load.js';
import type { LoadedVit } from '../models/read.js';
import { checkLike, checkMethod, objectOf, textOf, wholeOf, type Fields, type ResumeOptions } from '../run/config.js';

export interface TrainOptions {
  /** Folders; the same one twice when pairs are drawn from one. */
  readonly structures: string;
  readonly appearances: string;
  readonly out: string;
  readonly model: string;
  /** Photos of each folder that are never trained on. */
  readonly holdOut: number;
  readonly validateEvery: number;
  /** Pairs on a validation sheet. */
  readonly shown: number;
  readonly force: boolean;
  readonly json: boolean;
  /** Port of the page that shows the training, 0 for any; no page when absent. */
  readonly watch?: number;
  /** False: with the usual kernels, whatever calibration says. */
  readonly tune?: boolean;
  /** The ViT gives the layers and the width of its CLS tokens. */
  readonly anyPair: Omit<AnyPairOptions, 'sizes'> & { readonly sizes: Omit<ConditionalSizes, 'layers' | 'dim'> };
}

/** The options as `config.train` holds them. */
export const savedOptions = (
  { structures, appearances, model, holdOut, validateEvery, shown, anyPair }: TrainOptions, loaded: LoadedVit,
) => ({
  structures: resolve(structures), appearances: resolve(appearances), model: givenModel(model, loaded),
  holdOut, validateEvery, shown, anyPair: withoutUnused(anyPair),
});

/** The options that a config.json describes, `--steps` of the resume included. @throws Error naming the field that is wrong */
export function parseOptions(config: Fields, { folder, json, steps }: ResumeOptions): TrainOptions {
  const train = objectOf('train', config['train']);
  const saved = objectOf('train.anyPair', train['anyPair'] ?? train['general']); // `general` in version 0.1
  const fields: Fields = { ...saved, ...unsteadied, ...saved };
  checkLike(fields, defaultAnyPair, ['size', 'steps', 'batch', 'seed', 'warmStart', 'vitSize']);
  checkMethod(fields);
  for (const name of ['size', 'steps', 'batch', 'vitSize']) wholeOf(`options.${name}`, fields[name]);
  parseSizes({ ...objectOf('sizes', fields['sizes']), layers: 1, dim: 1 }); // checks them
  const { holdOut, shown } = train;
  const areCounts = [holdOut, shown].every(isCount);
  if (!areCounts) throw new Error('train.holdOut or train.shown is not a count');
  return {
    structures: textOf('train.structures', train['structures']),
    appearances: textOf('train.appearances', train['appearances']),
    out: folder,
    model: textOf('train.model', train['model']),
    holdOut: holdOut as number,
    validateEvery: wholeOf('train.validateEvery', train['validateEvery']),
    shown: shown as number,
    force: false,
    json,
    anyPair: { ...(fields as unknown as TrainOptions['anyPair']), ...(steps !== undefined && { steps }) },
  };
}
