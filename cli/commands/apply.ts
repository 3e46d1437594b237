/** `splice-gpu apply`: options only. */
import { Command } from 'commander';
import type { ApplyOptions } from '../study/apply.js';
import { jsonOption, MAX_SIDE, option, outputOf, outputOptions, withOptions } from './options.js';
import { sizeOr, whole } from './values.js';

const EXAMPLE = `
A generator is trained for one pair; applied to other photos, it shows how far its training generalises. Photos may have any
size: larger ones are painted at the size of the training and get their detail back. With --size full they are painted at their
own size; those that need more than --memory in strips, without seams.

Example:
  $ splice-gpu apply --generator out/cow --image other.jpg third.jpg --out out/others
  $ splice-gpu apply --generator out/cow --image frames --out out/frames`;

export const applyCommand = (run: (options: ApplyOptions) => Promise<void>): Command => {
  const command = new Command('apply')
    .description('paint other photos with the generator of a transfer')
    .requiredOption('--generator <dir>', 'folder of the transfer')
    .requiredOption('--image <file...>', 'photos to paint, or folders of frames, which are painted in order; started again, it '
      + 'goes on after the frames that are done')
    .requiredOption('--out <dir>', 'folder for the pictures, which are named after the photos');
  return withOptions(command, [
    option<number | 'auto' | 'full'>('--size <pixels>', 'shorter side that the photos are painted at; full: their own; auto: at '
      + 'most that of the training', sizeOr(['auto', 'full'], MAX_SIDE), 'auto'),
    ...outputOptions(),
    option('--memory <MiB>', 'GPU memory above which a photo is painted in strips', whole(1, 1 << 20), 1024),
    option('--force', 'replace existing pictures'),
    jsonOption(),
  ])
    .addHelpText('after', EXAMPLE)
    .action((options: ApplyOptions) => run({ ...options, ...outputOf(command, options) }));
};
