/** `splice-gpu studio`: options only. */
import { Command } from 'commander';
import type { StudioOptions } from '../studio/studio.js';
import { jsonOption, option } from './options.js';
import { nameList, whole } from './values.js';

/** The browser keeps what belongs to a page by its address, port included. */
const USUAL_PORT = 7174;

const EXAMPLE = `
A page on which two photos are chosen and a pair trains in the browser, on its GPU: nothing is uploaded. Pictures come as the
training goes on; it can be paused, stopped and saved. With --export the page is a folder of files that any web host serves, by
https; nothing but the files is needed.

A run is one file there: "transfer --resume FILE.zip" goes on with it, and --pack makes one of a run's folder.

Examples:
  $ splice-gpu studio
  $ splice-gpu studio --models dino_vits8,dino_vits16
  $ splice-gpu studio --export public/studio
  $ splice-gpu studio --pack out/cow`;

interface Parsed {
  readonly port: number;
  readonly export?: string;
  readonly pack?: string;
  readonly models?: readonly string[];
  readonly json?: boolean;
}

export const studioCommand = (run: (options: StudioOptions) => Promise<void>): Command =>
  new Command('studio')
    .description('a page that trains a pair in the browser, on this machine or for any web host')
    .addOption(option('--port <number>', 'port on 127.0.0.1, 0 for any free one', whole(0, 65_535), USUAL_PORT))
    .addOption(option('--export <dir>', 'write the page as files, instead of serving it'))
    .addOption(option('--pack <dir>', "write a transfer's folder as one file, DIR.zip, that the page opens"))
    .addOption(option('--models <list>', 'further models that the page offers, by name: see models list', nameList))
    .addOption(jsonOption('the address, or the folder and its files, as one JSON object'))
    .addHelpText('after', EXAMPLE)
    .action(({ models = [], json = false, ...rest }: Parsed) => run({ ...rest, models, json }));
