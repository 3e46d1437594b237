/** `splice-gpu augment`: options only. */
import { Command } from 'commander';
import type { AugmentOptions } from '../study/augment.js';
import { whole } from './values.js';

interface Parsed extends Omit<AugmentOptions, 'json'> {
  readonly json?: boolean;
}

const EXAMPLE = `
Example:
  $ splice-gpu augment --structure cow.jpg --appearance highland.jpg --out augmentations.png`;

export const augmentCommand = (run: (options: AugmentOptions) => Promise<void>): Command =>
  new Command('augment')
    .description('a sheet of what training sees of the photos, by both recipes')
    .requiredOption('--structure <file>', 'structure photo')
    .option('--appearance <file>', 'appearance photo (default: the same)')
    .requiredOption('--out <file.png>', 'the sheet to write')
    .option('--count <number>', 'views of each photo', whole(1, 64), 6)
    .option('--seed <number>', 'seed of the run', whole(0, 2 ** 32 - 1), 1)
    .option('--height <pixels>', "height of the sheet's pictures", whole(16, 2048), 192)
    .option('--json', 'print one JSON object on stdout')
    .addHelpText('after', EXAMPLE)
    .action(({ json = false, ...options }: Parsed) => run({ ...options, json }));
