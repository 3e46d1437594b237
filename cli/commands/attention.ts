/** `splice-gpu attention`: options only. */
import { Command } from 'commander';
import type { AttentionOptions } from '../study/attention.js';
import { heightOption, jsonOption, layersOption, registersOption, sheetOption, vitOption, vitSizeOption } from './options.js';

const EXAMPLE = `
Example:
  $ splice-gpu attention cow.jpg --model vit_tiny.safetensors --layers 5,11 --out attention.png`;

export const attentionCommand = (run: (options: AttentionOptions) => Promise<void>): Command =>
  new Command('attention')
    .description('show where the CLS token of a ViT looks, head by head')
    .argument('<image...>', 'pictures to show')
    .addOption(sheetOption())
    .addOption(vitOption())
    .addOption(layersOption())
    .addOption(registersOption())
    .addOption(vitSizeOption('shorter side of the ViT input; larger shows finer patches'))
    .addOption(heightOption())
    .addOption(jsonOption())
    .addHelpText('after', EXAMPLE)
    .action((images: string[], options: Omit<AttentionOptions, 'images'>) => run({ ...options, images }));
