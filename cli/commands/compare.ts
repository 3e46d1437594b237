/** `splice-gpu compare`: options only. */
import { Command } from 'commander';
import { knownModels } from '../models/known.js';
import type { CompareOptions } from '../study/compare.js';
import { jsonOption, vitSizeOption } from './options.js';

const EXAMPLE = `
The table also judges the two photos themselves: the scores of a mere copy. The figures of a ViT are most meaningful when the
result was trained with a different ViT.

Example:
  $ splice-gpu compare --structure cow.jpg --appearance highland.jpg --judge deit_tiny.safetensors out/cow/result.png`;

export const compareCommand = (run: (options: CompareOptions) => Promise<void>): Command =>
  new Command('compare')
    .description('measure how well results keep the layout and reach the look, and how sharp they are')
    .argument('<result...>', 'pictures to judge')
    .requiredOption('--structure <file>', 'photo with the layout to keep')
    .requiredOption('--appearance <file>', 'photo with the look to reach')
    .option('--structure-regions <file>', 'label image of the structure photo: with the other one, figures of every region')
    .option('--appearance-regions <file>', 'label image of the appearance photo')
    .option('--judge <name|file>', `ViT that judges as well: ${knownModels.join(', ')}, or a weight file`)
    .addOption(vitSizeOption())
    .addOption(jsonOption())
    .addHelpText('after', EXAMPLE)
    .action((results: string[], options: Omit<CompareOptions, 'results'>) => run({ ...options, results }));
