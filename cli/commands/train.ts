/** `splice-gpu train`: options only. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { defaultSizes, type ConditionalSizes } from '../../model/generators/conditional.js';
import { defaultAnyPair } from '../../model/anyPair/options.js';
import type { RecipeName, SpliceOptions } from '../../model/method/options.js';
import type { ResumeTrain, TrainOptions } from '../train/train.js';
import { precisionOption, real, whole } from './values.js';
import { portOf, watchOption } from './view.js';
import { AUTO_MODEL, knownModels } from '../models/load.js';

type Channels = ConditionalSizes['channels'];

interface Parsed {
  readonly photos?: string;
  readonly structures?: string;
  readonly appearances?: string;
  readonly out?: string;
  readonly resume?: string;
  readonly model: string;
  readonly recipe: RecipeName;
  readonly size: number;
  readonly vitSize: number;
  readonly steps: number;
  readonly batch: number;
  readonly ema: number;
  readonly lr: number;
  readonly beta1: number;
  readonly seed: number;
  readonly warmStart: number;
  readonly lambdaStructure: number;
  readonly lambdaAppearance: number;
  readonly lambdaIdentity: number;
  readonly antialias: boolean;
  readonly checkpointing: boolean;
  readonly precision: SpliceOptions['precision'];
  readonly holdOut: number;
  readonly validateEvery: number;
  readonly validatePairs: number;
  readonly channels: Channels;
  readonly tokens: ConditionalSizes['tokens'];
  readonly tokenCount: number;
  readonly tokenWidth: number;
  readonly heads: number;
  readonly headSize: number;
  readonly scales: number;
  readonly force?: boolean;
  readonly watch?: number | true;
  readonly json?: boolean;
}

const MAX_SEED = 2 ** 32 - 1;
const WITH_RESUME = ['resume', 'steps', 'watch', 'json'];

const EXAMPLE = `
DIR gets generator.safetensors (for transfer --generator), previews/ and result.png (held-out pairs: structure, result, appearance),
report.json (their figures), cls.safetensors (the photos' CLS tokens), config.json, log.jsonl, timings.jsonl, losses.svg and checkpoints/.
Ctrl-C finishes the current step and writes all of them; --resume goes on from there.

Example:
  $ splice-gpu train --photos photos/cats --out out/cats --model vit.safetensors --size 128 --steps 20000
  $ splice-gpu transfer --generator out/cats/generator.safetensors --structure a.jpg --appearance b.jpg --out out/ab --model vit.safetensors`;

export const trainCommand = (run: (options: TrainOptions) => Promise<void>, resume: (options: ResumeTrain) => Promise<void>): Command =>
  new Command('train')
    .description('train one generator for any structure with any appearance, from a folder of photos')
    .option('--photos <dir>', 'folder of photos, two of which make a pair')
    .option('--structures <dir>', 'or: a folder of structures')
    .option('--appearances <dir>', 'and one of appearances')
    .option('--out <dir>', 'folder for the results')
    .option('--resume <dir>', 'go on with the training in DIR, with its options; only --steps (more of them), --watch and --json go with it')
    .option('--model <name|file>', `ViT: ${knownModels().join(', ')}, what "models list" shows, or a checkpoint; auto as for transfer`, AUTO_MODEL)
    .addOption(new Option('--recipe <name>', 'losses and augmentations').choices(['splice', 'splice-transfer']).default(defaultAnyPair.recipe))
    .option('--size <pixels>', 'side of the squares it is trained on', whole(36, 2048), defaultAnyPair.size)
    .option('--vit-size <pixels>', "side of the ViT's input", whole(1, 2048), defaultAnyPair.vitSize)
    .option('--steps <count>', 'optimiser steps after the warm start', whole(1), defaultAnyPair.steps)
    .option('--batch <pairs>', 'pairs per step, their gradients averaged', whole(1, 1024), defaultAnyPair.batch)
    .option('--ema <share>', 'what the moving average of the weights keeps of itself every step, 0 to below 1', share, defaultAnyPair.ema)
    .option('--lr <rate>', 'learning rate', real({ positive: true }), defaultAnyPair.lr)
    .option('--beta1 <share>', "Adam's averaging of gradients, 0 to below 1; the recipes have 0", share, defaultAnyPair.betas[0])
    .option('--seed <number>', 'seed of weights, pairs, crops and of what is held out', whole(0, MAX_SEED), defaultAnyPair.seed)
    .option('--warm-start <steps>', 'steps that teach it to bring back changed colours from the CLS tokens', whole(0), defaultAnyPair.warmStart)
    .option('--lambda-structure <weight>', 'weight of the structure loss', real({ positive: false }), defaultAnyPair.lambdaStructure)
    .option('--lambda-appearance <weight>', 'weight of the appearance loss', real({ positive: false }), defaultAnyPair.lambdaAppearance)
    .option('--lambda-identity <weight>', 'weight of the identity loss', real({ positive: false }), defaultAnyPair.lambdaIdentity)
    .option('--no-antialias', "point-sample the ViT's input as the published runs did")
    .option('--checkpointing', 'compute parts of the generator again instead of keeping them: less memory, more time, the same numbers', defaultAnyPair.checkpointing)
    .addOption(precisionOption())
    .option('--hold-out <photos>', 'photos of each folder that are never trained on', whole(0), 20)
    .option('--validate-every <steps>', 'steps between looks at held-out pairs; checkpoints are written then', whole(1), 500)
    .option('--validate-pairs <count>', 'held-out pairs on the sheet and in its figures', whole(1, 32), 6)
    .option('--channels <five>', "the UNet's channels, outermost first", channels, defaultSizes.channels)
    .addOption(new Option('--tokens <mode>', 'CLS tokens of all layers, the last made into several, or the last alone').choices(['layers', 'expanded', 'single']).default(defaultSizes.tokens))
    .option('--token-count <count>', 'tokens that "expanded" makes', whole(1, 64), defaultSizes.expanded)
    .option('--token-width <count>', 'width of the tokens', whole(1, 4096), defaultSizes.width)
    .option('--heads <count>', 'heads of the cross-attention', whole(1, 64), defaultSizes.heads)
    .option('--head-size <count>', 'width of a head', whole(1, 256), defaultSizes.headSize)
    .option('--scales <count>', 'upward scales with cross-attention beside the bottleneck, coarsest first', whole(0, 5), defaultSizes.scales)
    .option('--force', 'replace an earlier run in DIR')
    .addOption(watchOption())
    .option('--json', 'print the summary as one JSON object on stdout')
    .addHelpText('after', EXAMPLE)
    .action((parsed: Parsed, command: Command) => (parsed.resume === undefined ? run(toOptions(parsed, command)) : resume(toResume(parsed, parsed.resume, command))));

function share(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= 0 && value < 1) return value;
  throw new InvalidArgumentError('Give a number from 0 to below 1.');
}

function channels(text: string): Channels {
  const values = text.split(',').map(Number);
  if (values.length === 5 && values.every((v) => Number.isInteger(v) && v >= 1 && v <= 1024)) return values as unknown as Channels;
  throw new InvalidArgumentError('Give five whole numbers with commas, such as 16,32,64,128,128.');
}

function toResume({ steps, watch, json = false }: Parsed, folder: string, command: Command): ResumeTrain {
  const given = command.options.filter((option) => command.getOptionValueSource(option.attributeName()) === 'cli');
  const extra = given.find((option) => !WITH_RESUME.includes(option.attributeName()));
  if (extra) command.error(`error: ${extra.long} cannot go with --resume, which takes it from ${folder}: leave it out`);
  return { folder, json, ...portOf(watch), ...(given.some((option) => option.attributeName() === 'steps') && { steps }) };
}

function toOptions(p: Parsed, command: Command): TrainOptions {
  const isPair = p.structures !== undefined && p.appearances !== undefined;
  if (p.photos !== undefined ? p.structures !== undefined || p.appearances !== undefined : !isPair) {
    command.error('error: give --photos DIR, or both --structures DIR and --appearances DIR');
  }
  if (!p.out) command.error("error: required option '--out <dir>' not specified");
  return {
    structures: (p.photos ?? p.structures)!,
    appearances: (p.photos ?? p.appearances)!,
    out: p.out!,
    model: p.model,
    holdOut: p.holdOut,
    validateEvery: p.validateEvery,
    shown: p.validatePairs,
    force: p.force ?? false,
    json: p.json ?? false,
    ...portOf(p.watch),
    general: {
      recipe: p.recipe, size: p.size, vitSize: p.vitSize, steps: p.steps, batch: p.batch, ema: p.ema, lr: p.lr, betas: [p.beta1, defaultAnyPair.betas[1]],
      seed: p.seed, warmStart: p.warmStart, lambdaStructure: p.lambdaStructure, lambdaAppearance: p.lambdaAppearance, lambdaIdentity: p.lambdaIdentity, antialias: p.antialias, checkpointing: p.checkpointing, precision: p.precision,
      sizes: { channels: p.channels, tokens: p.tokens, expanded: p.tokenCount, width: p.tokenWidth, heads: p.heads, headSize: p.headSize, scales: p.scales },
    },
  };
}
