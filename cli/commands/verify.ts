/** `splice-gpu verify`: options only. */
import { Command } from 'commander';
import type { VerifyOptions } from '../study/verify.js';
import { jsonOption } from './options.js';

const EXAMPLE = `
A result.png carries the hashes of its photos and its ViT, its settings and the losses of its first step. What is given is
compared with them; with both photos and the ViT, the run is repeated up to its first step. Exit code 1 if something differs.

Example:
  $ splice-gpu verify out/cow/result.png --structure cow.jpg --appearance highland.jpg`;

export const verifyCommand = (run: (options: VerifyOptions) => Promise<void>): Command =>
  new Command('verify')
    .description('check with which photos, ViT and settings a result was made')
    .argument('<result>', 'result.png of a transfer')
    .option('--structure <file>', 'photo to compare with that of the result')
    .option('--appearance <file>', 'photo to compare with that of the result')
    .option('--structure-regions <file>', 'label image to compare with that of the result, if it was made with regions')
    .option('--appearance-regions <file>', 'the same of the appearance photo')
    .option('--model <name|file>', 'ViT to compare with that of the result (default: the known one of its name)')
    .addOption(jsonOption())
    .addHelpText('after', EXAMPLE)
    .action((result: string, options: Omit<VerifyOptions, 'result'>) => run({ ...options, result }));
