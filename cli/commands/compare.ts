/** `splice-gpu compare`: options only. */
import { Command } from 'commander';
import type { CompareOptions } from '../study/compare.js';
import { whole } from './values.js';
import { knownModels } from '../models/load.js';

interface Parsed extends Omit<CompareOptions, 'json' | 'results'> {
  readonly json?: boolean;
}

const EXAMPLE = `
Beside the results stand the two photos themselves, as if they were results: what copying would score. Figures of a ViT
say most where it is another than the one that trained the result.

Example:
  $ splice-gpu compare --structure cow.jpg --appearance highland.jpg --judge deit_tiny.safetensors out/cow/result.png`;

export const compareCommand = (run: (options: CompareOptions) => Promise<void>): Command =>
  new Command('compare')
    .description('figures of results: layout kept, look reached, sharpness')
    .argument('<result...>', 'pictures to judge')
    .requiredOption('--structure <file>', 'photo whose layout was to be kept')
    .requiredOption('--appearance <file>', 'photo whose look was to be taken')
    .option('--judge <name|file>', `ViT that judges too: ${knownModels().join(', ')}, or a weight file`)
    .option('--vit-size <pixels>', "shorter side of the ViT's input", whole(1, 2048), 224)
    .option('--json', 'print one JSON object on stdout')
    .addHelpText('after', EXAMPLE)
    .action((results: string[], { json = false, ...options }: Parsed) => run({ ...options, results, json }));
