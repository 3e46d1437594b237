/** `splice-gpu view`: options only. */
import { Command } from 'commander';
import type { ViewOptions } from '../view/view.js';
import { jsonOption, option } from './options.js';
import { port } from './values.js';

const EXAMPLE = `
Shows photos, result, previews and curves in a browser on this machine, and follows a run that is in progress.
DIR is the folder of a transfer, train or pretrain run. Nothing outside of it is opened, so it may be somebody else's:
photos are shown if they lie in it, or once triptych.png has them.

Example:
  $ splice-gpu view out/cow`;

export const viewCommand = (run: (options: ViewOptions) => Promise<void>): Command =>
  new Command('view')
    .description('show a run in the browser, finished or in progress')
    .argument('<dir>', 'the --out folder of a run')
    .addOption(option('--port <number>', 'port on 127.0.0.1 (default: any free one)', port))
    .addOption(jsonOption('the address as one JSON object'))
    .addHelpText('after', EXAMPLE)
    .action((folder: string, { port: given = 0, json = false }: Partial<ViewOptions>) => run({ folder, port: given, json }));
