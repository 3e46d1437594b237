/** `splice-gpu apply`: options only. */
import { Command } from 'commander';
import type { ApplyOptions } from '../study/apply.js';
import { whole } from './values.js';

interface Parsed extends Omit<ApplyOptions, 'images' | 'force' | 'json'> {
  readonly image: string[];
  readonly force?: boolean;
  readonly json?: boolean;
}

const EXAMPLE = `
A generator is trained for one pair: on other photos it shows how far that carries. Photos of any size are taken; those that
need more than --memory are painted strip by strip, without seams.

Example:
  $ splice-gpu apply --generator out/cow --image other.jpg third.jpg --out out/others`;

export const applyCommand = (run: (options: ApplyOptions) => Promise<void>): Command =>
  new Command('apply')
    .description("a transfer's trained generator on other photos")
    .requiredOption('--generator <dir>', 'folder of a transfer')
    .requiredOption('--image <file...>', 'photos to paint')
    .requiredOption('--out <dir>', 'folder for the pictures, named as the photos')
    .option('--size <pixels>', 'shorter side the photos are brought to (default: as they are)', whole(1, 8192))
    .option('--memory <MiB>', 'memory on the GPU above which a photo is painted in strips', whole(1, 1 << 20), 1024)
    .option('--force', 'replace pictures in DIR')
    .option('--json', 'print one JSON object on stdout')
    .addHelpText('after', EXAMPLE)
    .action(({ image: images, force = false, json = false, ...options }: Parsed) => run({ ...options, images, force, json }));
