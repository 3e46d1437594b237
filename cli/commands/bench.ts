/** `splice-gpu bench`: options only. */
import { Argument, Command, Option } from 'commander';
import type { BenchMode, BenchOptions } from '../bench/bench.js';
import { benchModels } from '../bench/models.js';
import { RECIPE_NAMES, type RecipeName } from '../../model/method/options.js';
import { UsageError } from '../shared/errors.js';
import { precisionOption, whole } from './values.js';
import { UNTRAINED_MODEL } from '../models/load.js';

interface Parsed extends Omit<BenchOptions, 'what' | 'json' | 'plan' | 'checkpointing' | 'allVariants' | 'variant' | 'model' | 'recipe'> {
  readonly model?: readonly string[];
  readonly recipe?: readonly RecipeName[];
  readonly json?: boolean;
  readonly plan?: boolean;
  readonly checkpointing?: boolean;
  readonly allVariants?: boolean;
  readonly variant?: readonly string[];
}

const EXAMPLE = `
What to measure:
  step      one training step by part and by op, its cost to the processor, the memory it plans (default)
  kernels   every launch of such steps alone, in percent of the ceilings, beside other variants
  roof      the ceilings of this device: f32 multiply-adds, copying
Times are medians, by timestamp queries where the device has them.

Examples:
  $ splice-gpu bench step --model vit-small-8 --size 256
  $ splice-gpu bench step --size 1080 --plan
  $ splice-gpu bench kernels --filter attention --all-variants
  $ splice-gpu bench kernels --filter linear --variant my-linear.mjs
  $ splice-gpu bench step --save before.json    (change a kernel)    splice-gpu bench step --against before.json`;

/** Options that may be given more than once. */
const several = (value: string, previous: readonly string[] = []): string[] => [...previous, value];

/** What a mode looks at when it is not told. */
const defaults: Readonly<Record<BenchMode, { readonly model: readonly string[]; readonly recipe: readonly RecipeName[] }>> = {
  step: { model: [UNTRAINED_MODEL], recipe: ['splice'] },
  kernels: { model: ['vit-small-8', 'vit-base-8'], recipe: RECIPE_NAMES },
  roof: { model: [], recipe: [] },
};

export const benchCommand = (run: (options: BenchOptions) => Promise<void>): Command =>
  new Command('bench')
    .description('measure a training step, its kernels, or what the device can do at most')
    .addArgument(new Argument('[what]', 'step, kernels or roof').choices(['step', 'kernels', 'roof']).default('step'))
    .addOption(new Option('--model <name|file>', `ViT: ${benchModels().join(', ')}, or a checkpoint; kernels takes several`).argParser(several))
    .addOption(new Option('--recipe <name>', `generator and losses: ${RECIPE_NAMES.join(', ')}; kernels takes several`).argParser(several as (v: string, p?: RecipeName[]) => RecipeName[]))
    .option('--size <pixels>', 'side of the crops', whole(40, 4096), 128)
    .option('--vit-size <pixels>', "shorter side of the ViT's input", whole(16, 2048), 224)
    .option('--repeats <count>', 'measurements of which the median counts', whole(1, 1000), 5)
    .option('--checkpointing', 'compute parts of the generator again instead of keeping them')
    .addOption(precisionOption())
    .option('--filter <word>', 'only what has this word in its name')
    .option('--plan', 'print the planned memory of a step and compute nothing')
    .option('--all-variants', 'kernels: also those of other classes of devices')
    .addOption(new Option('--variant <file>', 'kernels: a module with a kernel of yours; may be repeated').argParser(several))
    .option('--save <file>', 'write the result as JSON')
    .option('--against <file>', 'compare with a result saved earlier')
    .option('--json', 'print one JSON object on stdout')
    .addHelpText('after', EXAMPLE)
    .action((what: BenchMode, { model, recipe, json = false, plan = false, checkpointing = false, allVariants = false, variant = [], ...options }: Parsed) =>
      run({ ...defaults[what], ...(model && { model }), ...(recipe && { recipe: checked(recipe) }), ...options, what, json, plan, checkpointing, allVariants, variant }));

/** @throws UsageError for a recipe nobody knows */
function checked(recipes: readonly RecipeName[]): readonly RecipeName[] {
  const wrong = recipes.find((recipe) => !RECIPE_NAMES.includes(recipe));
  if (wrong !== undefined) throw new UsageError(`--recipe ${wrong} is unknown: give ${RECIPE_NAMES.join(' or ')}`);
  return recipes;
}
