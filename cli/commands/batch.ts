/** `splice-gpu batch`: options only. Every option of a single pair is one of `transfer`'s: for all pairs here, for one as a column. */
import { Command, CommanderError, type Option } from 'commander';
import { join } from 'node:path';
import type { BatchOptions, BatchPair } from '../transfer/batch/batch.js';
import { readPairs, type Pair } from '../transfer/batch/pairs.js';
import { UsageError } from '../shared/errors.js';
import type { TransferOptions } from '../transfer/transfer.js';
import { transferCommand } from './transfer.js';

interface Parsed {
  readonly out: string;
  readonly json?: boolean;
}

/** Options of `transfer` that are not about what a pair computes. */
const NOT_OF_A_PAIR = ['structure', 'appearance', 'out', 'resume', 'force', 'json', 'watch', 'generator', 'finetune', 'mix'];

const EXAMPLE = `
A CSV file has the columns structure and appearance, paths relative to it; others are named like the options above and count for that line:

  structure,appearance,name,seed,size
  cow.jpg,highland.jpg,highland cow,3,256

A folder has subfolders with a structure.* and an appearance.* each. DIR gets a folder for every pair, as transfer makes it, and report.html.
Started again with the same DIR it goes on where it was interrupted. A pair that fails does not stop the others; the exit code is 1 then.

Example:
  $ splice-gpu batch pairs.csv --out out/batch --size 256 --steps 2000`;

export function batchCommand(run: (options: BatchOptions) => Promise<void>): Command {
  const command = new Command('batch')
    .description('transfer many pairs, one after the other, and show them on one page')
    .argument('<pairs>', 'CSV file, or folder of pairs')
    .requiredOption('--out <dir>', 'folder for the results');
  const settings = pairOptions();
  for (const option of settings) command.addOption(option);
  return command
    .option('--json', 'print the summary as one JSON object on stdout')
    .addHelpText('after', EXAMPLE)
    .action(async (source: string, { out, json = false }: Parsed) => {
      const shared = settings.filter((option) => command.getOptionValueSource(option.attributeName()) === 'cli').flatMap((option) => asArguments(option, command.getOptionValue(option.attributeName())));
      const pairs = await readPairs(source, settings.map(nameOf));
      await run({ source, out, json, pairs: await Promise.all(pairs.map((pair) => withOptions(pair, join(out, pair.name), shared))) });
    });
}

const pairOptions = (): Option[] => transferCommand(async () => undefined, async () => undefined).options.filter((option) => !NOT_OF_A_PAIR.includes(nameOf(option)));

/** A column's name: the option's without its dashes, and of --no-antialias that of what it switches off. */
const nameOf = (option: Option): string => option.name().replace(/^no-/, '');

/** A parsed value as it would be written on a command line. */
const asArguments = (option: Option, value: unknown): string[] => (option.negate ? (value === false ? [option.long!] : []) : [`${option.long}=${Array.isArray(value) ? value.join(',') : String(value)}`]);

/** What `transfer` makes of the pair's options: one parser for both. @throws UsageError naming the line */
export async function withOptions(pair: Pair, out: string, shared: readonly string[] = []): Promise<BatchPair> {
  const own = Object.entries(pair.settings).flatMap(([name, value]) => (name === 'antialias' ? switchedOff(pair, name, value) : [`--${name}=${value}`]));
  let options: TransferOptions | undefined;
  const parser = transferCommand(async (parsed) => void (options = parsed), async () => undefined).exitOverride().configureOutput({ writeErr: () => undefined, outputError: () => undefined });
  try {
    await parser.parseAsync([`--structure=${pair.structure}`, `--appearance=${pair.appearance}`, `--out=${out}`, ...shared, ...own], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) throw new UsageError(`${pair.where}: ${error.message.replace(/^error: /, '')}`, { cause: error });
    throw error;
  }
  return { ...pair, options: options! };
}

function switchedOff(pair: Pair, name: string, value: string): string[] {
  if (/^(yes|true|1|on)$/i.test(value)) return [];
  if (/^(no|false|0|off)$/i.test(value)) return [`--no-${name}`];
  throw new UsageError(`${pair.where}: ${name} is "${value}": give yes or no`);
}
