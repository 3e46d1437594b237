/** `splice-gpu augment`: options only. */
import { Command } from 'commander';
import type { AugmentOptions } from '../study/augment.js';
import { heightOption, jsonOption, seedOption, sheetOption } from './options.js';
import { whole } from './values.js';

const EXAMPLE = `
Example:
  $ splice-gpu augment --structure cow.jpg --appearance highland.jpg --out augmentations.png`;

export const augmentCommand = (run: (options: AugmentOptions) => Promise<void>): Command =>
  new Command('augment')
    .description('show the views of the photos that training sees, with both recipes')
    .requiredOption('--structure <file>', 'structure photo')
    .option('--appearance <file>', 'appearance photo (default: the structure photo)')
    .addOption(sheetOption())
    .option('--count <number>', 'views of each photo', whole(1, 64), 6)
    .addOption(seedOption('seed of the training'))
    .addOption(heightOption(192))
    .addOption(jsonOption())
    .addHelpText('after', EXAMPLE)
    .action((options: AugmentOptions) => run(options));
