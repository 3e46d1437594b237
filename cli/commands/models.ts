/** `splice-gpu models`: options only. */
import { Command } from 'commander';
import type { GetCommand } from '../models/manage.js';
import { jsonOption } from './options.js';

/** The work of the subcommands. */
export interface ModelsActions {
  readonly list: (json: boolean) => Promise<void>;
  readonly get: (options: GetCommand) => Promise<void>;
  readonly add: (file: { path: string; name: string }) => Promise<void>;
  readonly verify: (names: readonly string[]) => Promise<void>;
  readonly remove: (names: readonly string[]) => Promise<void>;
}

const EXAMPLE = `
Models are kept in the platform's cache folder, or in the folder that SPLICE_GPU_CACHE names. Downloads use HTTPS_PROXY,
HTTP_PROXY, ALL_PROXY and NO_PROXY, resume after an interruption, and are accepted only with the right SHA-256; "models list"
shows how each is known. If none is known, the first file is trusted, and a different one is refused from then on. A file that is
refused, but holds a ViT, is kept: --trust accepts it, unless its makers publish another SHA-256.

Example:
  $ splice-gpu models get dino_vits8 && splice-gpu models list`;

export function modelsCommand({ list, get, add, verify, remove }: ModelsActions): Command {
  const models = new Command('models').description('list, fetch, add, verify and remove ViTs').addHelpText('after', EXAMPLE);
  models.command('list')
    .description('list the models with their sources and licenses, and whether they are in the cache')
    .addOption(jsonOption())
    .action(({ json = false }: { json?: boolean }) => list(json));
  models.command('get')
    .description('fetch models into the cache')
    .argument('<name...>', 'names as listed')
    .option('--mirror <url>', 'folder with the files under their own names (default: $SPLICE_GPU_MIRROR, or the listed sources)')
    .option('--trust', 'accept a file with another SHA-256 than is known, unless its makers publish that')
    .action((names: string[], options: Omit<GetCommand, 'names'>) => get({ ...options, names }));
  models.command('add')
    .description('copy a checkpoint in any readable format into the cache')
    .argument('<file>', 'safetensors or PyTorch; a .json of the same name gives heads, mean and std')
    .requiredOption('--name <name>', 'name for --model')
    .action((path: string, { name }: { name: string }) => add({ path, name }));
  models.command('verify')
    .description('read cached models again and compare their SHA-256')
    .argument('[name...]', 'names as listed (default: all)')
    .action(verify);
  models.command('remove')
    .description('delete models from the cache')
    .argument('<name...>', 'names as listed')
    .action(remove);
  return models;
}
