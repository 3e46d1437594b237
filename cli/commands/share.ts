/** `splice-gpu share`: options only. */
import { Command } from 'commander';
import type { ShareOptions } from '../share/share.js';
import { jsonOption } from './options.js';

const EXAMPLE = `
The page has both photos, the result, pictures of the training, figures, settings, hashes, and the generator itself: who opens it
can paint photos of their own, or what the camera sees, in a browser with WebGPU. It loads nothing and sends nothing, has at most
6 MB, and opens from a disk as from the web. It holds the photos: send it to those who may see them.

Example:
  $ splice-gpu share out/cow --out cow.html`;

export const shareCommand = (run: (options: ShareOptions) => Promise<void>): Command =>
  new Command('share')
    .description('a finished pair as one page to send, with its generator for other photos')
    .argument('<run>', 'folder of a transfer')
    .requiredOption('--out <file>', 'the page, such as pair.html')
    .option('--force', 'replace an earlier file')
    .addOption(jsonOption())
    .addHelpText('after', EXAMPLE)
    .action((folder: string, { out, force = false, json = false }: Partial<ShareOptions> & { out: string }) =>
      run({ run: folder, out, force, json }));
