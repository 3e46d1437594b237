/** `splice-gpu apply`: options only. */
import { Command } from 'commander';
import type { ApplyOptions } from '../study/apply.js';
import { jsonOption } from './options.js';
import { whole } from './values.js';

const EXAMPLE = `
A generator is trained for one pair; applied to other photos, it shows how far its training generalises. Photos may have any
size. Those that need more than --memory are painted in strips, without seams.

Example:
  $ splice-gpu apply --generator out/cow --image other.jpg third.jpg --out out/others`;

export const applyCommand = (run: (options: ApplyOptions) => Promise<void>): Command =>
  new Command('apply')
    .description('paint other photos with the generator of a transfer')
    .requiredOption('--generator <dir>', 'folder of the transfer')
    .requiredOption('--image <file...>', 'photos to paint')
    .requiredOption('--out <dir>', 'folder for the pictures, which are named after the photos')
    .option('--size <pixels>', 'shorter side to resize the photos to (default: unchanged)', whole(1, 8192))
    .option('--memory <MiB>', 'GPU memory above which a photo is painted in strips', whole(1, 1 << 20), 1024)
    .option('--force', 'replace existing pictures')
    .addOption(jsonOption())
    .addHelpText('after', EXAMPLE)
    .action((options: ApplyOptions) => run(options));
