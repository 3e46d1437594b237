/** `splice-gpu view`: options only. */
import { Command } from 'commander';
import { whole } from '../numbers.js';
import type { ViewOptions } from '../view.js';

interface Parsed {
  readonly port: number;
  readonly json?: boolean;
}

export const MAX_PORT = 65_535;

const EXAMPLE = `
Shows photos, result, previews and curves in a browser on this machine; a run that is going on is followed.

Example:
  $ splice-gpu view out/cow`;

export const viewCommand = (run: (options: ViewOptions) => Promise<void>): Command =>
  new Command('view')
    .description('look at a run in the browser, finished or going on')
    .argument('<dir>', 'the --out folder of a run')
    .option('--port <number>', 'port on 127.0.0.1 (default: any free one)', whole(1, MAX_PORT))
    .option('--json', 'print the address as one JSON object on stdout')
    .addHelpText('after', EXAMPLE)
    .action((folder: string, { port = 0, json = false }: Partial<Parsed>) => run({ folder, port, json }));
