/** `splice-gpu view`: options only. */
import { Command, Option } from 'commander';
import { whole } from './values.js';
import type { ViewOptions } from '../watch/view.js';

interface Parsed {
  readonly port: number;
  readonly json?: boolean;
}

const MAX_PORT = 65_535;

/** The option of commands that train. */
export const watchOption = (): Option =>
  new Option('--watch [port]', 'show the run on a page of this machine, 127.0.0.1, where it can be paused, saved and stopped (default: any free port)').argParser(whole(1, MAX_PORT));

/** Its value; any free port when none is given. */
export const portOf = (watch: number | true | undefined): { readonly watch?: number } => (watch === undefined ? {} : { watch: watch === true ? 0 : watch });

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
