/** `splice-gpu invert`: options only. */
import { Command, Option } from 'commander';
import { INVERTED_FACETS, PAINTERS, type Painter } from '../../model/study/options.js';
import { checkInversion, type InvertOptions } from '../study/invert.js';
import { real, whole, wholeList } from './values.js';
import { DEFAULT_MODEL } from '../models/load.js';

interface Parsed extends Omit<InvertOptions, 'image' | 'painter' | 'noise' | 'json'> {
  readonly with: 'generator' | 'pixels';
  readonly generator: Exclude<Painter, 'pixels'>;
  readonly noise?: boolean;
  readonly json?: boolean;
}

const EXAMPLE = `
What the picture shows is what the features hold: keys the layout, the CLS token the look. Layers count from 0.
The published generator is skip6; unet and skip are those of the two recipes, and faster.

Example:
  $ splice-gpu invert cow.jpg --model vit_tiny.safetensors --facet cls --layers 5,11 --repeats 3 --out cls.png`;

export const invertCommand = (run: (options: InvertOptions) => Promise<void>): Command =>
  new Command('invert')
    .description("make pictures from a picture's features alone, to see what they hold")
    .argument('<image>', 'picture whose features are inverted')
    .requiredOption('--out <file.png>', 'the sheet to write, layers by repeats')
    .option('--model <name|file>', 'ViT, by name or weight file', DEFAULT_MODEL)
    .addOption(new Option('--facet <name>', 'features to invert').choices(INVERTED_FACETS).default('keys'))
    .addOption(new Option('--layers <list>', 'such as 2,5,11 (default: the last)').argParser(wholeList(0, 999)))
    .addOption(new Option('--with <what>', 'what makes the picture').choices(['generator', 'pixels']).default('generator'))
    .addOption(new Option('--generator <name>', 'which generator').choices(PAINTERS.filter((painter) => painter !== 'pixels')).default('skip6'))
    .option('--repeats <count>', 'inversions of each layer, from other noise', whole(1, 100), 1)
    .option('--steps <count>', 'optimiser steps of each', whole(1), 2000)
    .option('--lr <rate>', 'learning rate of Adam', real({ positive: true }), 0.01)
    .option('--noise', "add noise to the generator's input, of deviation 10, then 2, then 0.5 (default: for cls)")
    .option('--no-noise', 'add none')
    .option('--tv <weight>', 'weight of the total variation: larger is smoother', real({ positive: false }), 0)
    .option('--seed <number>', 'seed of the first repeat', whole(0, 2 ** 32 - 1), 1)
    .option('--vit-size <pixels>', 'shorter side of the picture', whole(16, 1024), 224)
    .option('--height <pixels>', "height of the sheet's pictures", whole(16, 2048), 224)
    .option('--json', 'print one JSON object on stdout')
    .addHelpText('after', EXAMPLE)
    .action((image: string, { with: what, generator, noise, json = false, ...options }: Parsed) => {
      const painter = what === 'pixels' ? 'pixels' : generator;
      return run({ ...options, image, painter, noise: checkInversion({ painter, noise, facet: options.facet }), json });
    });
