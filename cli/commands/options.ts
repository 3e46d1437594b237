/** Options that several commands share, each declared once, and what --resume takes of them. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import { defaultOptions, PRECISIONS, RECIPE_NAMES, type SpliceOptions } from '../../model/method/options.js';
import { AUTO_MODEL, DEFAULT_MODEL, knownModels } from '../models/known.js';
import type { ResumeOptions } from '../run/config.js';
import { registersOf } from '../run/registers.js';
import { MOST_OUTPUT, type OutputOptions } from '../transfer/output.js';
import { nameList, notNegative, port, positive, seed, strength, textFor, upscale, whole, wholeList } from './values.js';

export const MAX_SIDE = 8192;

/** `flags` and `description` as in commander; `parse` reads the text of a value, `standard` is used without one. */
export function option<T>(flags: string, description: string, parse?: (text: string, previous?: any) => T, standard?: T): Option {
  const made = new Option(flags, description);
  if (parse) made.argParser(parse as (text: string, previous: T | undefined) => T);
  return standard === undefined ? made : made.default(standard);
}

export const withOptions = (command: Command, options: readonly Option[]): Command =>
  options.reduce((made, each) => made.addOption(each), command);

export const jsonOption = (what = 'one JSON object'): Option => option('--json', `print ${what} on stdout`);

export const seedOption = (description: string, standard = 1): Option =>
  option('--seed <number>', description, seed, standard);

export const vitSizeOption = (description = 'shorter side of the ViT input', least = 1, most = 2048, standard = 224): Option =>
  option('--vit-size <pixels>', description, whole(least, most), standard);

/** The option of commands that train through a ViT, or measure such a training. */
export const precisionOption = (): Option =>
  new Option('--precision <type>', 'storage of the weights and activations of the ViT: f16 halves the memory, on devices that '
    + 'support it, keeps three significant digits, and uses matrix units of a GPU')
    .choices(PRECISIONS).default(defaultOptions.precision);

/* Options of trainings. */

export const watchOption = (): Option => option<number>(
  '--watch [port]', 'show the run in a browser of this machine, with buttons to pause, save and stop, and for one pair brushes '
    + 'that make regions (default: any free port)',
  port,
);

/** The value of --watch; 0, any free port, when none is given. */
export const portOf = (watch: number | true | undefined): { readonly watch?: number } =>
  watch === undefined ? {} : { watch: watch === true ? 0 : watch };

export const registersOption = (): Option => option(
  '--test-time-registers <count|list>',
  "move so many of the ViT's outlier neurons to an added token, which clears single patches; or those named as layer:unit, "
  + 'such as 7:417,6:189', textFor(registersOf),
);

/** The parsed `tuneOption`: true unless --no-tune is given. */
export interface TuneFlag {
  readonly tune: boolean;
}

export const tuneOption = (): Option =>
  option('--no-tune', 'on a GPU: use the usual kernels, instead of those that are right and fastest there; see tune');

export const tuneOf = ({ tune }: TuneFlag): { readonly tune?: false } => (tune ? {} : { tune });

/** The parsed `runOptions`. */
export interface RunFlags {
  readonly out?: string;
  readonly resume?: string;
  readonly force?: boolean;
  readonly watch?: number | true;
  readonly json?: boolean;
}

/** The options for a training's output. @param withResume the options that --resume allows, in words */
export const runOptions = (withResume: string): readonly Option[] => [
  option('--out <dir>', 'folder for the results'),
  option('--resume <dir>', `continue the run in DIR from its last checkpoint, with its options; it takes only ${withResume}`),
  option('--force', 'replace an earlier run in DIR'),
  watchOption(),
  jsonOption('the summary as one JSON object'),
];

export const modelOption = (): Option => option(
  '--model <name|file>',
  `ViT: ${knownModels.join(', ')}, a name that "models list" shows, or a checkpoint (safetensors or PyTorch); `
  + 'auto: dino_vits8 if it is in the cache or can be fetched, else the model that ships',
  (text: string) => text, AUTO_MODEL,
);

const weightOption = (name: string, standard: number): Option =>
  option(`--lambda-${name} <weight>`, `weight of the ${name} loss`, notNegative, standard);

/** The options of the method, with a command's own defaults. */
export const methodOptions = (standard: SpliceOptions = defaultOptions): readonly Option[] => [
  new Option('--recipe <name>', 'generator, losses and augmentations').choices(RECIPE_NAMES).default(standard.recipe),
  option('--steps <count>', 'optimiser steps after the warm start', whole(1), standard.steps),
  seedOption('seed of everything random', standard.seed),
  weightOption('structure', standard.lambdaStructure),
  weightOption('appearance', standard.lambdaAppearance),
  weightOption('identity', standard.lambdaIdentity),
  option('--lr <rate>', 'learning rate', positive, standard.lr),
  option('--no-antialias', "point-sample the ViT's input, as the published runs did"),
  vitSizeOption("shorter side of the ViT's input; smaller is faster and coarser", 1, MAX_SIDE, standard.vitSize),
  option('--checkpointing', 'recompute parts of the generator instead of storing them: the same numbers, less memory, more time',
    undefined, standard.checkpointing),
  precisionOption(),
];

/** The work of a training's command: a new run, or a resumed one. */
export interface TrainingWork<O> {
  run(options: O): Promise<void>;
  resume(options: ResumeOptions): Promise<void>;
}

/** Whether an option was given on the command line. */
export const isGiven = (command: Command, name: string): boolean => command.getOptionValueSource(name) === 'cli';

/** Fails if an option that would have no effect is given. @param why ends the sentence "--name cannot be given" */
export function refuseIdle(command: Command, isIdle: (name: string) => boolean, why: string): void {
  const idle = command.options.find((each) => isGiven(command, each.attributeName()) && isIdle(each.attributeName()));
  if (idle) command.error(`error: ${idle.long} cannot be given ${why}: leave it out`);
}

/** Strengths of pictures between the structure photo and the result. */
export interface StrengthFlag {
  readonly strength?: readonly number[];
}

/** The options given with --resume; any option other than `allowed` is an error, since the run's folder decides it. */
export function resumeOf(
  command: Command, folder: string,
  { steps, until, strength, watch, json = false }: RunFlags & Pick<ResumeOptions, 'steps' | 'until'> & StrengthFlag,
  allowed = ['steps', 'watch', 'json'],
): ResumeOptions {
  refuseIdle(command, (name) => ![...allowed, 'resume'].includes(name), `with --resume, which takes it from ${folder}`);
  const given = {
    ...(isGiven(command, 'steps') && { steps }), ...(isGiven(command, 'until') && { until }), ...(strength && { strength }),
  };
  return { folder, json, ...portOf(watch), ...given };
}

/** Fails as commander does for a required option. */
export function requireOption(command: Command, value: unknown, flags: string): void {
  if (!value) command.error(`error: required option '${flags}' not specified`);
}

/** The options of a result with detail. */
export const outputOptions = (): readonly Option[] => [
  option<number | 'auto'>('--detail <strength>', "detail of the photos in a result that is smaller than the structure photo: "
    + '0 (none) to 1 (crisp), or auto, which suits the sizes', strength, 'auto'),
  option('--upscale <factor>', "size of the result over that of the trained picture (default: the structure photo's)", upscale)
    .conflicts('outputSize'),
  option('--output-size <pixels>', "shorter side of the result (default: the structure photo's)", whole(1, MOST_OUTPUT)),
];

/** The values of `outputOptions`. @throws as commander does when they have no effect */
export function outputOf(command: Command, { detail = 'auto', upscale: factor, outputSize }: OutputOptions): OutputOptions {
  const idle = factor !== undefined ? '--upscale' : outputSize !== undefined ? '--output-size' : undefined;
  if (detail === 0 && idle) command.error(`error: ${idle} cannot be given with --detail 0, which leaves the size: leave one out`);
  return { detail, ...(factor !== undefined && { upscale: factor }), ...(outputSize !== undefined && { outputSize }) };
}

/* Options of commands that look into ViTs and results. */

function pngPath(text: string): string {
  if (/\.png$/i.test(text)) return text;
  throw new InvalidArgumentError('Give a name that ends in .png: the sheet is a PNG.');
}

export const sheetOption = (): Option => option('--out <file.png>', 'sheet to write', pngPath).makeOptionMandatory();

export const heightOption = (height = 224): Option =>
  option('--height <pixels>', 'height of the pictures on the sheet', whole(16, 2048), height);

export const vitOption = (): Option => option('--model <name|file>', 'ViT, by name or weight file').default(DEFAULT_MODEL);

export const vitsOption = (): Option =>
  option('--model <list>', 'ViTs, by name or weight file, separated by commas', nameList).default([DEFAULT_MODEL], DEFAULT_MODEL);

export const layersOption = (): Option =>
  option('--layers <list>', 'layers, such as 2,5,11; the first is 0 (default: the last)', wholeList(0, 999));
