/** `splice-gpu pca`: options only. */
import { Command, Option } from 'commander';
import { FACETS } from '../../model/vit/config.js';
import type { PcaCommandOptions } from '../study/pca.js';
import {
  heightOption, jsonOption, layersOption, option, registersOption, sheetOption, vitSizeOption, vitsOption,
} from './options.js';
import { choiceList } from './values.js';

const EXAMPLE = `
Patches that the ViT considers similar get similar colours.

Example:
  $ splice-gpu pca cow.jpg --model vit_tiny.safetensors --facets keys,tokens --layers 2,5,8,11 --out pca.png`;

const BASES = 'principal components of the similarity of each patch to all others, or of the facet itself';

export const pcaCommand = (run: (options: PcaCommandOptions) => Promise<void>): Command =>
  new Command('pca')
    .description('show as colours what the layers of a ViT consider similar')
    .argument('<image...>', 'pictures to show')
    .addOption(sheetOption())
    .addOption(vitsOption())
    .addOption(option('--facets <list>', `some of ${FACETS.join(', ')}`, choiceList(FACETS)).default(['keys'], 'keys'))
    .addOption(layersOption())
    .addOption(registersOption())
    .addOption(new Option('--of <what>', BASES).choices(['self-similarity', 'facet']).default('self-similarity'))
    .option('--joint', 'use one basis for all pictures: similar parts of different pictures get similar colours')
    .option('--foreground', 'leave out the background, which the first component identifies')
    .addOption(vitSizeOption('shorter side of the ViT input; larger shows finer patches'))
    .addOption(heightOption())
    .addOption(jsonOption())
    .addHelpText('after', EXAMPLE)
    .action((images: string[], options: Omit<PcaCommandOptions, 'images'>) => run({ ...options, images }));
