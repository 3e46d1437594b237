/** `splice-gpu bench`: options only. */
import { Argument, Command, InvalidArgumentError } from 'commander';
import { defaultOptions, RECIPE_NAMES, type RecipeName } from '../../model/method/options.js';
import type { BenchMode, BenchOptions } from '../bench/bench.js';
import { vitSizes } from '../bench/sizes.js';
import { knownModels, UNTRAINED_MODEL } from '../models/known.js';
import { jsonOption, precisionOption, vitSizeOption } from './options.js';
import { several, whole } from './values.js';

const EXAMPLE = `
What to measure:
  step      a training step by part and by op, its cost on the processor, and its planned memory (default)
  kernels   every launch of such steps alone, in percent of the ceilings, next to other variants
  roof      the ceilings of this device: f32 multiply-adds and copying
  detail    detail at full size for a picture of 16 to 9, from a result of 224 pixels: seconds, memory, share of the ceiling
Times are medians, from timestamp queries if the device has them.

Examples:
  $ splice-gpu bench step --model vit-small-8 --size 256
  $ splice-gpu bench step --size 1080 --plan
  $ splice-gpu bench detail --size 1080 --repeats 3
  $ splice-gpu bench --report my-gpu.json
  $ splice-gpu bench kernels --filter attention --all-variants
  $ splice-gpu bench kernels --filter linear --variant my-linear.mjs
  $ splice-gpu bench step --save before.json    (change a kernel)    splice-gpu bench step --against before.json`;

const models = [...knownModels, ...vitSizes.keys()];

/** The subjects of a mode without --model, --recipe and --size. */
const defaults: Readonly<Record<BenchMode, Pick<BenchOptions, 'model' | 'recipe' | 'size'>>> = {
  step: { model: [UNTRAINED_MODEL], recipe: ['splice'], size: 128 },
  kernels: { model: ['vit-small-8', 'vit-base-8'], recipe: RECIPE_NAMES, size: 128 },
  roof: { model: [], recipe: [], size: 128 },
  detail: { model: [], recipe: [], size: 1080 },
};

function recipes(value: string, previous: readonly RecipeName[] = []): RecipeName[] {
  const recipe = RECIPE_NAMES.find((name) => name === value);
  if (!recipe) throw new InvalidArgumentError(`Give ${RECIPE_NAMES.join(' or ')}.`);
  return [...previous, recipe];
}

type Given = 'model' | 'recipe' | 'size';
type Parsed = Omit<BenchOptions, 'what' | Given> & Partial<Pick<BenchOptions, Given>>;

export const benchCommand = (run: (options: BenchOptions) => Promise<void>): Command =>
  new Command('bench')
    .description('measure a training step, its kernels, detail at full size, or the ceilings of the device')
    .addArgument(new Argument('[what]', 'subject of the measurement').choices(Object.keys(defaults)).default('step'))
    .option('--model <name|file>', `ViT: ${models.join(', ')}, or a checkpoint; may be repeated for kernels`, several)
    .option('--recipe <name>', `generator and losses: ${RECIPE_NAMES.join(', ')}; may be repeated for kernels`, recipes)
    .option('--size <pixels>', 'side of the crops, 128 by default; detail: shorter side of the picture, 1080', whole(40, 4096))
    .addOption(vitSizeOption('shorter side of the ViT input', 16))
    .option('--repeats <count>', 'measurements per median', whole(1, 1000), 5)
    .option('--checkpointing', 'recompute parts of the generator instead of keeping them', defaultOptions.checkpointing)
    .addOption(precisionOption())
    .option('--filter <word>', 'only what has this word in its name')
    .option('--plan', 'print the planned memory of a step and compute nothing')
    .option('--launches', 'step: also every launch, with its share of the ceilings')
    .option('--report <file>', 'write all about this device to one file: what it is, its ceilings, two steps; to be sent')
    .option('--all-variants', 'kernels: also all kernels that `tune` chooses from')
    .option('--variant <file>', 'kernels: module with a kernel of your own; may be repeated', several)
    .option('--save <file>', 'write the result as JSON')
    .option('--against <file>', 'compare with a result saved earlier')
    .addOption(jsonOption())
    .addHelpText('after', EXAMPLE)
    .action((what: BenchMode, options: Parsed) => run({ ...defaults[what], ...options, what }));
