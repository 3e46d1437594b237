/** `splice-gpu train`: options only. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { defaultAnyPair, defaultSizes } from '../../model/anyPair/options.js';
import type { AnyPairOptions } from '../../model/anyPair/training.js';
import { TOKEN_MODES, type ConditionalSizes } from '../../model/generators/sizes.js';
import { unsteadied, type Steadying } from '../../model/method/options.js';
import type { TrainOptions } from '../train/options.js';
import {
  methodOptions, modelOption, option, portOf, requireOption, resumeOf, runOptions, tuneOf, tuneOption, withOptions,
  type RunFlags, type TrainingWork, type TuneFlag,
} from './options.js';
import { spliceOf } from './transfer.js';
import { numbersIn, share, whole } from './values.js';

type Channels = ConditionalSizes['channels'];

interface Parsed extends
  RunFlags, TuneFlag, Pick<TrainOptions, 'model' | 'holdOut' | 'validateEvery'>,
  Omit<AnyPairOptions, 'betas' | 'sizes' | Exclude<keyof Steadying, 'ema'>>,
  Pick<ConditionalSizes, 'channels' | 'tokens' | 'heads' | 'headSize' | 'scales'> {
  readonly photos?: string;
  readonly structures?: string;
  readonly appearances?: string;
  readonly beta1: number;
  readonly validatePairs: number;
  readonly tokenCount: number;
  readonly tokenWidth: number;
}

const EXAMPLE = `
DIR gets generator.safetensors (for transfer --generator), previews/ and result.png (held-out pairs: structure, result,
appearance), report.json (their figures), cls.safetensors (the photos' CLS tokens), config.json, log.jsonl, timings.jsonl,
losses.svg and checkpoints/. Ctrl-C finishes the current step and writes all of them; --resume continues from there.

Example:
  $ splice-gpu train --photos photos/cats --out out/cats --model vit.safetensors --size 128 --steps 20000
  $ splice-gpu train --resume out/cats --steps 30000
  $ splice-gpu transfer --generator out/cats/generator.safetensors --structure a.jpg --appearance b.jpg --out out/ab`;

export const trainCommand = ({ run, resume }: TrainingWork<TrainOptions>): Command =>
  withOptions(new Command('train').description('train one generator for any structure and appearance, from folders of photos'), [
    option('--photos <dir>', 'folder of photos, two of which make a pair'),
    option('--structures <dir>', 'instead of --photos: a folder of structures'),
    option('--appearances <dir>', 'and a folder of appearances'),
    ...runOptions('--steps (more of them), --watch and --json'),
    modelOption(),
    option('--size <pixels>', 'side of the squares that it is trained on', whole(36, 2048), defaultAnyPair.size),
    ...methodOptions(defaultAnyPair),
    tuneOption(),
    option('--batch <pairs>', 'pairs per step, their gradients averaged', whole(1, 1024), defaultAnyPair.batch),
    option('--ema <share>', 'share of itself that the average of the weights keeps, 0 to below 1', share, defaultAnyPair.ema),
    option('--beta1 <share>', "Adam's averaging of gradients, 0 to below 1; the recipes have 0", share, defaultAnyPair.betas[0]),
    option('--warm-start <steps>', 'steps that teach it to restore colours from CLS tokens', whole(0), defaultAnyPair.warmStart),
    option('--hold-out <photos>', 'photos of each folder that are never trained on', whole(0), 20),
    option('--validate-every <steps>', 'steps between checkpoints, and measurements of held-out pairs', whole(1), 500),
    option('--validate-pairs <count>', 'held-out pairs on the sheet and in its figures', whole(1, 32), 6),
    option('--channels <five>', "the UNet's channels, outermost first", channels, defaultSizes.channels),
    new Option('--tokens <mode>', 'CLS tokens of all layers, several made from the last one, or the last one alone')
      .choices(TOKEN_MODES).default(defaultSizes.tokens),
    option('--token-count <count>', 'tokens that "expanded" makes', whole(1, 64), defaultSizes.expanded),
    option('--token-width <count>', 'width of the tokens', whole(1, 4096), defaultSizes.width),
    option('--heads <count>', 'heads of the cross-attention', whole(1, 64), defaultSizes.heads),
    option('--head-size <count>', 'width of a head', whole(1, 256), defaultSizes.headSize),
    option('--scales <count>', 'upward scales with cross-attention, coarsest first', whole(0, 5), defaultSizes.scales),
  ])
    .addHelpText('after', EXAMPLE)
    .action((parsed: Parsed, command: Command) =>
      (parsed.resume === undefined ? run(optionsOf(parsed, command)) : resume(resumeOf(command, parsed.resume, parsed))));

function channels(text: string): Channels {
  const values = numbersIn(text);
  const areWidths = values.every((v) => Number.isInteger(v) && v >= 1 && v <= 1024);
  if (values.length === 5 && areWidths) return values as unknown as Channels;
  throw new InvalidArgumentError('Give five whole numbers with commas, such as 16,32,64,128,128.');
}

function optionsOf(parsed: Parsed, command: Command): TrainOptions {
  const { photos, structures = photos, appearances = photos, out = '', force = false, json = false, watch } = parsed;
  const isMixed = photos !== undefined && (parsed.structures !== undefined || parsed.appearances !== undefined);
  if (isMixed || !structures || !appearances) {
    command.error('error: give --photos DIR, or both --structures DIR and --appearances DIR');
  }
  requireOption(command, out, '--out <dir>');
  const { model, holdOut, validateEvery, validatePairs: shown, size, batch, ema, beta1 } = parsed;
  const { channels: widths, tokens, tokenCount: expanded, tokenWidth: width, heads, headSize, scales } = parsed;
  return {
    structures: structures!, appearances: appearances!, out, model, holdOut, validateEvery, shown, force, json,
    ...portOf(watch), ...tuneOf(parsed),
    anyPair: {
      ...spliceOf({ ...unsteadied, ...parsed }), size, batch, ema, betas: [beta1, defaultAnyPair.betas[1]],
      sizes: { channels: widths, tokens, expanded, width, heads, headSize, scales },
    },
  };
}
