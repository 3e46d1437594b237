/** `splice-gpu figures`: options only. */
import { Command } from 'commander';
import type { FiguresOptions } from '../study/figures/figures.js';
import { jsonOption, seedOption, vitsOption } from './options.js';
import { nameList } from './values.js';

const EXAMPLE = `
Without photos, the figures show the project's own landscapes. Existing pictures are kept, so that an interrupted run can be
continued. With two models, the second is compared with the first. Figures: augmentations, pca-layers, pca-models, invert-keys,
invert-cls-layers, invert-cls-repeats, transfers, generalisation, mismatch.

Examples:
  $ splice-gpu figures --quick --out out/figures
  $ splice-gpu figures cow.jpg highland.jpg --model dino_vits8,clip_vitb16 --out out/figures`;

export const figuresCommand = (run: (options: FiguresOptions) => Promise<void>): Command =>
  new Command('figures')
    .description('make the figures of the study that the method is based on')
    .argument('[photo...]', 'structure, appearance, structure, appearance, ...')
    .requiredOption('--out <dir>', 'folder for the pictures')
    .option('--quick', 'make everything small and short: minutes without a GPU')
    .addOption(vitsOption())
    .option('--only <list>', 'names of figures, separated by commas (default: all)', nameList)
    .addOption(seedOption('seed of the transfers and inversions'))
    .option('--force', 'make existing pictures again')
    .addOption(jsonOption())
    .addHelpText('after', EXAMPLE)
    .action((photos: string[], options: Omit<FiguresOptions, 'photos'>) => run({ ...options, photos }));
