/** `splice-gpu probe`: options only. */
import { Command } from 'commander';
import { knownModels } from '../models/known.js';
import type { ProbeOptions } from '../pretrain/probe.js';
import { jsonOption } from './options.js';
import { nameList, several, whole } from './values.js';

type Parsed = Omit<ProbeOptions, 'models'> & { readonly model: readonly string[] };

const EXAMPLE = `
The figures:
  neighbours  share of photos whose nearest neighbours by CLS token have the right class; half of each class is known
  object      how well the keys of patches separate a house from its surroundings, in drawn scenes with known masks
              (area under the curve, 0.5 is chance)
  regions     the same, averaged over house, sky, ground and water

Example:
  $ splice-gpu probe --model untrained --model vit.safetensors --photos pets --classes cats,dogs`;

export const probeCommand = (run: (options: ProbeOptions) => Promise<void>): Command =>
  new Command('probe')
    .description('measure how good the features of ViTs are')
    .requiredOption('--model <name|file>', `ViT: ${knownModels.join(', ')}, or a checkpoint; may be repeated`, several)
    .option('--photos <dir>', 'folder with a subfolder of photos per class (default: drawn scenes only)')
    .option('--classes <list>', 'subfolders to use, separated by commas (default: all)', nameList)
    .option('--grid <patches>', 'patches along a side of a photo, the same for all models', whole(2, 64), 12)
    .option('--neighbours <count>', 'neighbours that vote', whole(1, 1000), 10)
    .option('--scenes <count>', 'drawn landscapes of each kind', whole(0, 1000), 8)
    .addOption(jsonOption('one JSON array'))
    .addHelpText('after', EXAMPLE)
    .action(({ model: models, json = false, ...options }: Parsed) => run({ ...options, models, json }));
