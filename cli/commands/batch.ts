/** `splice-gpu batch`: options only. A pair has the options of `transfer`: for all pairs here, for one pair as a column. */
import { Command, CommanderError, type Option } from 'commander';
import { join } from 'node:path';
import { UsageError } from '../shared/errors.js';
import type { BatchOptions, BatchPair } from '../transfer/batch/batch.js';
import { readPairs, type Pair } from '../transfer/batch/pairs.js';
import type { TransferOptions } from '../transfer/options.js';
import type { QueueBatchOptions } from '../queue/batch.js';
import { isGiven, jsonOption, option, withOptions } from './options.js';
import { queueOption, storeOption } from './queue.js';
import { pairOptions, regionOptions, transferCommand, type TransferWork } from './transfer.js';

const EXAMPLE = `
A CSV file has the columns structure and appearance, paths relative to the file. Other columns are named like the options above
and apply to their line:

  structure,appearance,name,seed,size
  cow.jpg,highland.jpg,highland cow,3,256

The columns structure-regions and appearance-regions name label images of the line's photos.

A folder has subfolders, each with a structure.* and an appearance.*. DIR gets a folder for every pair, as transfer makes it, and
report.html. Started again with the same DIR, it continues where it was interrupted. A pair that fails does not stop the others;
the exit code is then 1.

With --queue and --store the pairs become jobs for all machines that run "splice-gpu worker".

Example:
  $ splice-gpu batch pairs.csv --out out/batch --size 256 --steps 2000
  $ splice-gpu batch pairs.csv --out out/batch --queue redis://queue.lan/0 --store file:///mnt/splice`;

export interface BatchWork {
  run(options: BatchOptions): Promise<void>;
  queue(options: QueueBatchOptions): Promise<void>;
}

interface Parsed extends Partial<Pick<QueueBatchOptions, 'queue' | 'store' | 'detach' | 'json'>> {
  readonly out: string;
}

export function batchCommand(work: BatchWork): Command {
  const settings = pairOptions();
  const command = new Command('batch').description('transfer many pairs, one after the other, and show them on one page');
  return withOptions(command.argument('<pairs>', 'CSV file, or folder of pairs'), [
    option('--out <dir>', 'folder for the results').makeOptionMandatory(),
    ...settings,
    queueOption(), storeOption(),
    option('--detach', 'with --queue: leave when all is enqueued; the same command without it fetches the results'),
    jsonOption('the summary as one JSON object'),
  ])
    .addHelpText('after', EXAMPLE)
    .action(async (source: string, { out, json = false, queue, store, detach = false }: Parsed) => {
      if (queue !== undefined && store === undefined) command.error('error: --queue needs --store, through which files travel');
      const idle = queue !== undefined ? undefined : detach ? '--detach' : store === undefined ? undefined : '--store';
      if (idle) command.error(`error: ${idle} needs --queue`);
      const given = settings.filter((each) => isGiven(command, each.attributeName()));
      const pairs = await readPairs(source, [...settings, ...regionOptions()].map(nameOf));
      const labelled = queue !== undefined && pairs.find((pair) => pair.settings['structure-regions'] !== undefined);
      if (labelled) throw new UsageError(`${labelled.where} has regions, which jobs of a queue cannot have: leave out --queue`);
      const complete = pairs.map((pair) => {
        const shared = given.filter((each) => pair.settings[nameOf(each)] === undefined);
        const args = shared.flatMap((each) => asArguments(each, command.getOptionValue(each.attributeName())));
        return withSettings(pair, join(out, pair.name), args);
      });
      const batch = { source, out, json, pairs: await Promise.all(complete) };
      await (queue === undefined ? work.run(batch) : work.queue({ ...batch, queue, store: store!, detach }));
    });
}

/** A column's name: the option's without its dashes, and for --no-antialias the name of what it switches off. */
const nameOf = (each: Option): string => each.name().replace(/^no-/, '');

/** A parsed value as it would be written on a command line. */
function asArguments(each: Option, value: unknown): string[] {
  if (each.isBoolean() || each.negate) return value === each.negate ? [] : [each.long!];
  return [`${each.long}=${Array.isArray(value) ? value.join(',') : String(value)}`];
}

/**
 * The result of `transfer`'s parser for the pair's options: one parser for both.
 * @param shared arguments for all pairs
 * @throws UsageError naming the line
 */
export async function withSettings(pair: Pair, out: string, shared: readonly string[] = []): Promise<BatchPair> {
  const own = Object.entries(pair.settings).flatMap(([name, value]) =>
    (isSwitch(name) ? switched(pair, name, value) : [`--${name}=${value}`]));
  let options: TransferOptions | undefined;
  const [unused, quiet] = [async (): Promise<void> => undefined, (): void => undefined];
  const run: TransferWork['run'] = async (parsed) => void (options = parsed);
  const parser = transferCommand({ run, resume: unused, branch: unused, onePass: unused, finetune: unused });
  parser.exitOverride().configureOutput({ writeErr: quiet, outputError: quiet });
  try {
    const pictures = [`--structure=${pair.structure}`, `--appearance=${pair.appearance}`, `--out=${out}`];
    await parser.parseAsync([...pictures, ...shared, ...own], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    throw new UsageError(`${pair.where}: ${error.message.replace(/^error: /, '')}`, { cause: error });
  }
  return { ...pair, options: options! };
}

/** Options without a value: what a column adds to the command line for yes and for no. */
const SWITCHES = {
  antialias: [[], ['--no-antialias']], checkpointing: [['--checkpointing'], []], published: [['--published'], []],
};
const isSwitch = (name: string): name is keyof typeof SWITCHES => Object.hasOwn(SWITCHES, name);

function switched(pair: Pair, name: keyof typeof SWITCHES, value: string): string[] {
  if (/^(yes|true|1|on)$/i.test(value)) return SWITCHES[name][0]!;
  if (/^(no|false|0|off)$/i.test(value)) return SWITCHES[name][1]!;
  throw new UsageError(`${pair.where}: ${name} is "${value}": give yes or no`);
}
