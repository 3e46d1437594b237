/** `splice-gpu probe`: options only. */
import { Command } from 'commander';
import { whole } from './values.js';
import type { ProbeOptions } from '../pretrain/probe.js';
import { knownModels } from '../models/load.js';

interface Parsed {
  readonly model: string[];
  readonly photos?: string;
  readonly classes?: string[];
  readonly grid: number;
  readonly neighbours: number;
  readonly scenes: number;
  readonly json?: boolean;
}

const EXAMPLE = `
neighbours  share of photos whose class their nearest neighbours name right, by CLS token; the first half of each class is known, the second is asked for
object      how well the keys of patches tell a house from its surroundings in drawn scenes with known masks (area under the curve, 0.5 is chance)
regions     the same, mean over house, sky, ground and water

Example:
  $ splice-gpu probe --model untrained --model vit.safetensors --photos pets --classes cats,dogs`;

export const probeCommand = (run: (options: ProbeOptions) => Promise<void>): Command =>
  new Command('probe')
    .description('measure how good the features of ViTs are')
    .requiredOption('--model <name|file>', `ViT: ${knownModels().join(', ')}, or a checkpoint; may be given several times`, (model: string, all: string[] | undefined) => [...(all ?? []), model])
    .option('--photos <dir>', 'folder whose subfolders are classes of photos; without it only scenes are looked at')
    .option('--classes <names>', 'subfolders to use, with commas between (default: all)', (text: string) => text.split(',').filter(Boolean))
    .option('--grid <patches>', 'patches along a side of a photo, so that all models look at as many', whole(2, 64), 12)
    .option('--neighbours <count>', 'neighbours that vote', whole(1, 1000), 10)
    .option('--scenes <count>', 'drawn landscapes of each kind', whole(0, 1000), 8)
    .option('--json', 'print one JSON array on stdout')
    .addHelpText('after', EXAMPLE)
    .action(({ model, photos, classes, grid, neighbours, scenes, json = false }: Parsed) =>
      run({ models: model, grid, neighbours, scenes, json, ...(photos !== undefined && { photos }), ...(classes && { classes }) }));
