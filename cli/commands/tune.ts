/** `splice-gpu tune`: options only. */
import { Command, Option } from 'commander';
import { vitSizes } from '../bench/sizes.js';
import type { TuneOptions } from '../bench/tune.js';
import { defaultOptions, RECIPE_NAMES } from '../../model/method/options.js';
import { DEFAULT_MODEL, knownModels } from '../models/known.js';
import { jsonOption, option, precisionOption, vitSizeOption, withOptions } from './options.js';
import { positive, whole } from './values.js';

const EXAMPLE = `
Each kind of launch that has 1 % of the work or more is run with every kernel that the program has for it. Kernels with wrong
numbers, kernels that do not compile and kernels that do not end are struck out for good. Of the others the fastest is kept, if
it is faster than the usual one by more than 5 %. The choice is in the cache folder, for this adapter, driver and version.
transfer, train and pretrain do this by themselves on a GPU before they start, for what is not known yet; --no-tune or
SPLICE_GPU_TUNE=0 leaves it out. On a software adapter only this command does it, and there it takes minutes.

Examples:
  $ splice-gpu tune
  $ splice-gpu tune --model dino_vitb8 --size 512 --seconds 60
  $ splice-gpu tune --force`;

const models = [...knownModels, ...vitSizes.keys()];

type Parsed = Omit<TuneOptions, 'checkpointing'> & Partial<Pick<TuneOptions, 'checkpointing'>>;

export const tuneCommand = (run: (options: TuneOptions) => Promise<void>): Command =>
  withOptions(new Command('tune').description('measure which kernels are right and fastest on this device'), [
    option('--model <name|file>', `ViT: ${models.join(', ')}, or a checkpoint`, (text: string) => text, DEFAULT_MODEL),
    new Option('--recipe <name>', 'generator and losses').choices(RECIPE_NAMES).default(defaultOptions.recipe),
    option('--size <pixels>', 'side of the photos', whole(40, 4096), 512),
    vitSizeOption('shorter side of the ViT input', 16),
    option('--checkpointing', 'recompute parts of the generator instead of keeping them'),
    precisionOption(),
    option('--seconds <count>', 'time after which no other kernel is tried; the rest is measured the next time', positive, 10),
    option('--force', 'measure again what is known; what is struck out stays so'),
    jsonOption(),
  ])
    .addHelpText('after', EXAMPLE)
    .action(({ checkpointing = false, ...options }: Parsed) => run({ ...options, checkpointing }));
