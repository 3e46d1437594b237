/** `splice-gpu view`: options only. */
import { Command } from 'commander';
import type { ViewOptions } from '../view/view.js';
import { option, portOption } from './options.js';

interface Parsed {
  readonly port?: number;
  readonly json?: boolean;
}

const EXAMPLE = `
Shows photos, result, previews and curves in a browser on this machine, and follows a run that is in progress.
DIR is the folder of a transfer, a train or a pretrain run.

Example:
  $ splice-gpu view out/cow`;

export const viewCommand = (run: (options: ViewOptions) => Promise<void>): Command =>
  new Command('view')
    .description('show a run in the browser, finished or in progress')
    .argument('<dir>', 'the --out folder of a run')
    .addOption(portOption())
    .addOption(option('--json', 'print the address as one JSON object on stdout'))
    .addHelpText('after', EXAMPLE)
    .action((folder: string, { port = 0, json = false }: Parsed) => run({ folder, port, json }));
