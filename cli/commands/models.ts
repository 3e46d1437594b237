/** `splice-gpu models`: options only. */
import { Command } from 'commander';
import type { GetCommand } from '../models/manage.js';

/** What the subcommands call. */
export interface ModelsActions {
  readonly list: (json: boolean) => Promise<void>;
  readonly get: (options: GetCommand) => Promise<void>;
  readonly add: (file: { path: string; name: string }) => Promise<void>;
  readonly verify: (names: readonly string[]) => Promise<void>;
  readonly remove: (names: readonly string[]) => Promise<void>;
}

const EXAMPLE = `
Models are kept in the platform's cache folder; SPLICE_GPU_CACHE names another. Downloads honour HTTPS_PROXY, HTTP_PROXY,
ALL_PROXY and NO_PROXY, go on where they were cut, and count only with the right SHA-256. Where none is published, the first
file that comes is trusted, and any other is refused from then on.

Example:
  $ splice-gpu models get dino_vits8 && splice-gpu models list`;

export function modelsCommand({ list, get, add, verify, remove }: ModelsActions): Command {
  const models = new Command('models').description('list, fetch, add, verify and remove ViTs').addHelpText('after', EXAMPLE);
  const commands = [
    new Command('list')
      .description('what models there are, where from, under which license, and which are here')
      .option('--json', 'print one JSON object on stdout')
      .action(({ json = false }: { json?: boolean }) => list(json)),
    new Command('get')
      .description('fetch models into the cache')
      .argument('<name...>', 'names as listed')
      .option('--mirror <url>', "address of a folder with the files under their own names (default: $SPLICE_GPU_MIRROR, else the models' makers)")
      .option('--trust', 'take a file although it differs from the one fetched first, where no checksum is published')
      .action((names: string[], { mirror, trust = false }: { mirror?: string; trust?: boolean }) => get({ names, trust, ...(mirror !== undefined && { mirror }) })),
    new Command('add')
      .description('copy a checkpoint of any readable format into the cache')
      .argument('<file>', 'safetensors or PyTorch; a .json beside it gives heads, mean and std')
      .requiredOption('--name <name>', 'name for --model')
      .action((path: string, { name }: { name: string }) => add({ path, name })),
    new Command('verify')
      .description('read cached models again and compare their SHA-256')
      .argument('[name...]', 'all when none is named')
      .action((names: string[]) => verify(names)),
    new Command('remove')
      .description('delete models from the cache')
      .argument('<name...>', 'names as listed')
      .action((names: string[]) => remove(names)),
  ];
  for (const command of commands) models.addCommand(command);
  return models;
}
