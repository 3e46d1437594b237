/** `splice-gpu invert`: options only. */
import { Command, Option } from 'commander';
import { INVERTED_FACETS, inversionDefaults, PAINTERS, type InvertedFacet, type Painter } from '../../model/study/options.js';
import { UsageError } from '../shared/errors.js';
import type { InvertOptions } from '../study/invert.js';
import {
  heightOption, jsonOption, layersOption, option, registersOption, seedOption, sheetOption, vitOption, vitSizeOption,
} from './options.js';
import { choiceList, fraction, notNegative, positive, whole } from './values.js';

interface Parsed extends Omit<InvertOptions, 'image' | 'painter' | 'facets'> {
  readonly with: 'generator' | 'pixels';
  readonly generator: Painter;
  readonly facet: readonly InvertedFacet[];
}

const GENERATORS = PAINTERS.filter((painter) => painter !== 'pixels');

const EXAMPLE = `
The picture shows what the features hold: keys hold the layout, the CLS token holds the look.
The published generator is skip6. The generators of the two recipes, unet and skip, are faster.

Example:
  $ splice-gpu invert cow.jpg --model vit_tiny.safetensors --facet keys,cls --layers 5,11 --repeats 3 --out found.png`;

export const invertCommand = (run: (options: InvertOptions) => Promise<void>): Command =>
  new Command('invert')
    .description('make pictures from the features of a picture, to see what the features hold')
    .argument('<image>', 'picture with the features to invert')
    .addOption(sheetOption())
    .addOption(vitOption())
    .addOption(option('--facet <list>', `features to invert: some of ${INVERTED_FACETS.join(', ')}`, choiceList(INVERTED_FACETS))
      .default(['keys'], 'keys'))
    .addOption(layersOption())
    .addOption(registersOption())
    .addOption(new Option('--with <what>', 'what makes the picture').choices(['generator', 'pixels']).default('generator'))
    .addOption(new Option('--generator <name>', 'generator that makes the picture').choices(GENERATORS).default('skip6'))
    .option('--repeats <count>', 'inversions of each layer, from different noise', whole(1, 100), 1)
    .option('--steps <count>', 'optimiser steps of each inversion', whole(1), 2000)
    .option('--lr <rate>', 'learning rate of Adam', positive, inversionDefaults.lr)
    .option('--lr-decay <share>', 'share of the steps, the last ones, over which the rate falls to zero', fraction,
      inversionDefaults.lrDecay)
    .option('--noise', 'add noise to the generator input, with deviation 10, then 2, then 0.5, as published for cls', false)
    .option('--tv <weight>', 'weight of the total variation: larger is smoother', notNegative, 0)
    .addOption(seedOption('seed of the first repeat'))
    .addOption(vitSizeOption('shorter side of the picture', 16, 1024))
    .addOption(heightOption())
    .addOption(jsonOption())
    .addHelpText('after', EXAMPLE)
    .action((image: string, { with: means, generator, facet: facets, ...options }: Parsed) => {
      const isPixels = means === 'pixels';
      if (isPixels && options.noise) throw new UsageError('--noise: pixels have no input to add noise to, choose a generator');
      return run({ ...options, facets, image, painter: isPixels ? 'pixels' : generator });
    });
