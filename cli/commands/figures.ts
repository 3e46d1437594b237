/** `splice-gpu figures`: options only. */
import { Command } from 'commander';
import type { FiguresOptions } from '../study/figures/figures.js';
import { nameList, whole } from './values.js';
import { DEFAULT_MODEL } from '../models/load.js';

interface Parsed extends Omit<FiguresOptions, 'quick' | 'models' | 'photos' | 'force' | 'json'> {
  readonly quick?: boolean;
  readonly model: string[];
  readonly force?: boolean;
  readonly json?: boolean;
}

const EXAMPLE = `
Photos are structure and appearance in turn; without any, the project's own landscapes are taken. What is there already is kept, so
that a run that was broken off goes on where it was. Figures: augmentations, pca-layers, pca-models, invert-keys, invert-cls-layers,
invert-cls-repeats, transfers, generalisation, mismatch.

Example:
  $ splice-gpu figures --quick --out out/figures
  $ splice-gpu figures cow.jpg highland.jpg --model dino_vits8,clip_vitb16 --out out/figures`;

export const figuresCommand = (run: (options: FiguresOptions) => Promise<void>): Command =>
  new Command('figures')
    .description('every figure of the study behind the method')
    .argument('[photo...]', 'structure, appearance, structure, appearance, ...')
    .requiredOption('--out <dir>', 'folder for the pictures')
    .option('--quick', 'small and short: minutes without a GPU')
    .option('--model <list>', 'ViTs by name or weight file, with commas; the second is compared with the first', nameList, [DEFAULT_MODEL])
    .option('--only <list>', 'names of figures, with commas', nameList)
    .option('--seed <number>', 'seed of transfers and inversions', whole(0, 2 ** 32 - 1), 1)
    .option('--force', 'make figures anew that are there already')
    .option('--json', 'print one JSON object on stdout')
    .addHelpText('after', EXAMPLE)
    .action((photos: string[], { quick = false, model: models, force = false, json = false, ...options }: Parsed) =>
      run({ ...options, photos, quick, models, force, json }));
