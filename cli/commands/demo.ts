/** `splice-gpu demo`: a transfer between two landscapes that the project drew itself, with the model it ships. */
import { Command } from 'commander';
import { defaultOptions, type SpliceOptions } from '../../model/method/options.js';
import { scenePath } from '../demo/files.js';
import { DEFAULT_MODEL } from '../models/known.js';
import type { TransferOptions } from '../transfer/options.js';
import { jsonOption, portOf, seedOption, watchOption, type RunFlags } from './options.js';
import { whole } from './values.js';

interface Parsed extends Pick<SpliceOptions, 'steps' | 'seed'>, Pick<RunFlags, 'watch' | 'json'> {
  readonly out: string;
  readonly size: number;
}

const EXAMPLE = `
A green valley at noon takes the look of snowy peaks at dusk. The training is small, so that it finishes in minutes without a
GPU; the result gets the pictures' own size of 384 x 256 at the end.

Example:
  $ splice-gpu demo --out out/demo`;

export const demoCommand = (run: (options: TransferOptions) => Promise<void>): Command =>
  new Command('demo')
    .description('transfer between two small drawn landscapes, as a first look')
    .option('--out <dir>', 'folder for the results; an earlier demo in it is replaced', 'out/demo')
    .option('--steps <count>', 'optimiser steps', whole(1), 250)
    .option('--size <pixels>', 'shorter side in training', whole(40, 256), 96)
    .addOption(seedOption('seed of the weights and crops'))
    .addOption(watchOption())
    .addOption(jsonOption('the summary as one JSON object'))
    .addHelpText('after', EXAMPLE)
    .action(({ out, steps, size, seed, watch, json = false }: Parsed) => run({
      structure: scenePath('valley'), appearance: scenePath('peaks'), model: DEFAULT_MODEL, vit: {},
      out, size, detail: 'auto', saveEvery: 50, force: true, json, ...portOf(watch),
      splice: { ...defaultOptions, steps, seed, vitSize: 96 },
    }));
