/** `splice-gpu attention`: options only. */
import { Command } from 'commander';
import type { AttentionOptions } from '../study/attention.js';
import { whole, wholeList } from './values.js';
import { DEFAULT_MODEL } from '../models/load.js';

interface Parsed extends Omit<AttentionOptions, 'images' | 'json'> {
  readonly json?: boolean;
}

const EXAMPLE = `
Example:
  $ splice-gpu attention cow.jpg --model vit_tiny.safetensors --layers 5,11 --out attention.png`;

export const attentionCommand = (run: (options: AttentionOptions) => Promise<void>): Command =>
  new Command('attention')
    .description('show where the CLS token of a ViT looks, head by head')
    .argument('<image...>', 'pictures to look at')
    .requiredOption('--out <file.png>', 'the sheet to write')
    .option('--model <name|file>', 'ViT, by name or weight file', DEFAULT_MODEL)
    .option('--layers <list>', 'such as 2,5,11, counted from 0 (default: the last)', wholeList(0, 999))
    .option('--vit-size <pixels>', "shorter side of the ViT's input; larger shows finer patches", whole(1, 2048), 224)
    .option('--height <pixels>', "height of the sheet's pictures", whole(16, 2048), 224)
    .option('--json', 'print one JSON object on stdout')
    .addHelpText('after', EXAMPLE)
    .action((images: string[], { json = false, ...options }: Parsed) => run({ ...options, images, json }));
