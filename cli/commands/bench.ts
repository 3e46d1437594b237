/** `splice-gpu bench`: options only. */
import { Command, Option } from 'commander';
import type { BenchOptions } from '../bench.js';
import { whole } from '../numbers.js';
import { DEFAULT_MODEL, knownModels } from '../weights.js';

interface Parsed extends Omit<BenchOptions, 'json'> {
  readonly json?: boolean;
}

const EXAMPLE = `
Times are medians, by timestamp queries where the device has them.

Example:
  $ splice-gpu bench --model vit_small_patch8_224.safetensors --size 256 --vit-size 224`;

export const benchCommand = (run: (options: BenchOptions) => Promise<void>): Command =>
  new Command('bench')
    .description('time one training step, launch by launch')
    .option('--model <name|file>', `ViT: ${knownModels().join(', ')}, or a .safetensors file`, DEFAULT_MODEL)
    .addOption(new Option('--recipe <name>', 'generator and losses').choices(['splice', 'splice-transfer']).default('splice'))
    .option('--size <pixels>', 'side of the crops', whole(40, 2048), 128)
    .option('--vit-size <pixels>', "shorter side of the ViT's input", whole(16, 2048), 224)
    .option('--repeats <count>', 'measurements of which the median counts', whole(1, 1000), 5)
    .option('--json', 'print one JSON object on stdout')
    .addHelpText('after', EXAMPLE)
    .action(({ json = false, ...options }: Parsed) => run({ ...options, json }));
