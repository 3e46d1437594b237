/** `splice-gpu regions`: options only. */
import { Command } from 'commander';
import type { RegionsOptions } from '../study/regions.js';
import { jsonOption, option, seedOption, vitOption, vitSizeOption, withOptions } from './options.js';
import { whole } from './values.js';

const EXAMPLE = `
Parts of both photos whose patches the ViT finds alike get one colour. DIR gets structure.png and appearance.png, label images to
correct with any painting program, and sheet.png. Black parts have no partner in the other photo.

Example:
  $ splice-gpu regions house.jpg village.jpg --model vit_tiny.safetensors --out labels
  $ splice-gpu transfer --structure house.jpg --structure-regions labels/structure.png \\
      --appearance village.jpg --appearance-regions labels/appearance.png --out out/house`;

export const regionsCommand = (run: (options: RegionsOptions) => Promise<void>): Command =>
  withOptions(new Command('regions').description('propose label images of the regions that two photos share')
    .argument('<photos...>', 'structure photo and appearance photo'), [
    option('--out <dir>', 'folder for the label images').makeOptionMandatory(),
    vitOption(),
    option('--count <number>', 'clusters of patches in both photos together (default: 2 to 6, as they are told apart best)',
      whole(2, 12)),
    vitSizeOption('shorter side of the ViT input; larger gives finer regions', 1, 2048, 448),
    seedOption("seed of the clusters' starts"),
    option('--force', 'replace label images in DIR'),
    jsonOption(),
  ])
    .addHelpText('after', EXAMPLE)
    .action((photos: string[], options: Omit<RegionsOptions, 'photos'>) => run({ ...options, photos }));
