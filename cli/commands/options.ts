/** Options that several commands share, each declared once, and what --resume takes of them. */
import { Command, Option } from 'commander';
import { defaultOptions, RECIPE_NAMES, type SpliceOptions } from '../../model/method/options.js';
import { AUTO_MODEL, knownModels } from '../models/known.js';
import type { ResumeOptions } from '../run/config.js';
import { precisionOption, real, seed, whole } from './values.js';

const MAX_PORT = 65_535;
export const MAX_SIDE = 8192;

/** `flags` and `description` as in commander; `parse` reads the text of a value, `standard` is used without one. */
export function option<T>(flags: string, description: string, parse?: (text: string, previous?: any) => T, standard?: T): Option {
  const made = new Option(flags, description);
  if (parse) made.argParser(parse as (text: string, previous: T | undefined) => T);
  return standard === undefined ? made : made.default(standard);
}

export const withOptions = (command: Command, options: readonly Option[]): Command =>
  options.reduce((made, each) => made.addOption(each), command);

export const portOption = (): Option =>
  option('--port <number>', 'port on 127.0.0.1 (default: any free one)', whole(1, MAX_PORT));

export const watchOption = (): Option => option<number>(
  '--watch [port]', 'show the run in a browser of this machine, with buttons to pause, save and stop (default: any free port)',
  whole(1, MAX_PORT),
);

/** The value of --watch; 0, any free port, when none is given. */
export const portOf = (watch: number | true | undefined): { readonly watch?: number } =>
  watch === undefined ? {} : { watch: watch === true ? 0 : watch };

export const jsonOption = (): Option => option('--json', 'print the summary as one JSON object on stdout');

/** How a training's output is handled. @param withResume what can be given with --resume, in words */
export const runOptions = (withResume: string): readonly Option[] => [
  option('--out <dir>', 'folder for the results'),
  option('--resume <dir>', `continue the run in DIR from its last checkpoint, with its options; it takes only ${withResume}`),
  option('--force', 'replace an earlier run in DIR'),
  watchOption(),
  jsonOption(),
];

export const modelOption = (): Option => option(
  '--model <name|file>',
  `ViT: ${knownModels.join(', ')}, a name that "models list" shows, or a checkpoint (safetensors or PyTorch); `
  + 'auto: dino_vits8 if it is here or can be fetched, else the model that ships',
  (text: string) => text, AUTO_MODEL,
);

const weightOption = (name: string, standard: number): Option =>
  option(`--lambda-${name} <weight>`, `weight of the ${name} loss`, real({ positive: false }), standard);

export const vitSizeOption = (standard: number): Option =>
  option('--vit-size <pixels>', "shorter side of the ViT's input; smaller is faster and coarser", whole(1, MAX_SIDE), standard);

/** The options of the method, with a command's own defaults. */
export const methodOptions = (standard: SpliceOptions = defaultOptions): readonly Option[] => [
  new Option('--recipe <name>', 'generator, losses and augmentations').choices(RECIPE_NAMES).default(standard.recipe),
  option('--steps <count>', 'optimiser steps after the warm start', whole(1), standard.steps),
  option('--seed <number>', 'seed of everything random', seed, standard.seed),
  weightOption('structure', standard.lambdaStructure),
  weightOption('appearance', standard.lambdaAppearance),
  weightOption('identity', standard.lambdaIdentity),
  option('--lr <rate>', 'learning rate', real({ positive: true }), standard.lr),
  option('--no-antialias', "point-sample the ViT's input, as the published runs did"),
  vitSizeOption(standard.vitSize),
  option('--checkpointing', 'recompute parts of the generator instead of storing them: the same numbers, less memory, more time',
    undefined, standard.checkpointing),
  precisionOption(),
];

/** Whether an option was given on the command line. */
export const isGiven = (command: Command, name: string): boolean => command.getOptionValueSource(name) === 'cli';

/** The part of the parsed options that --resume uses. */
export interface ParsedResume {
  readonly steps?: number;
  readonly watch?: number | true;
  readonly json?: boolean;
}

/** What is given with --resume; any option other than `allowed` is an error, since the run's folder decides it. */
export function resumeOf(
  command: Command, folder: string, { steps, watch, json = false }: ParsedResume, allowed = ['steps', 'watch', 'json'],
): ResumeOptions {
  const given = command.options.filter((each) => isGiven(command, each.attributeName()));
  const extra = given.find((each) => ![...allowed, 'resume'].includes(each.attributeName()));
  if (extra) command.error(`error: ${extra.long} cannot be given with --resume, which takes it from ${folder}: leave it out`);
  return { folder, json, ...portOf(watch), ...(isGiven(command, 'steps') && steps !== undefined && { steps }) };
}

/** Fails as commander does for a required option. */
export function requireOption(command: Command, value: unknown, flags: string): void {
  if (!value) command.error(`error: required option '${flags}' not specified`);
}
