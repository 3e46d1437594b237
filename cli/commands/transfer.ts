/** `splice-gpu transfer`: options only. */
import { Command, InvalidArgumentError, type Option } from 'commander';
import { defaultOptions, published, STILL, type BEGINNING, type SpliceOptions } from '../../model/method/options.js';
import type { VitSettings } from '../../model/vit/settings.js';
import { CHOOSABLE, type Choosable } from '../../model/training/sizes.js';
import { colourOf, NAMED } from '../photos/labels.js';
import type { BranchOptions, Settings } from '../transfer/branch.js';
import type { FinetuneOptions } from '../transfer/finetune.js';
import type { OnePassOptions } from '../transfer/onePass.js';
import type { Look } from '../transfer/regions.js';
import { MOST_STRENGTH, untilField, type TransferOptions } from '../transfer/options.js';
import type { OutputOptions } from '../transfer/output.js';
import { TO_THE_END, untilOf } from '../transfer/until.js';
import {
  isGiven, MAX_SIDE, methodOptions, modelOption, option, outputOf, outputOptions, portOf, refuseIdle, registersOption,
  requireOption, resumeOf, runOptions, tuneOf, tuneOption, withOptions, type RunFlags, type StrengthFlag, type TrainingWork,
  type TuneFlag,
} from './options.js';
import {
  duration, fraction, notNegative, numbersIn, positiveRgb, rgb, seed, several, share, sizeOr, textFor, whole, wholeList,
} from './values.js';

/** Of --fit without --time. */
const FIT_SECONDS = 600;

/** The value of --size. */
type Side = number | 'auto' | 'full';

interface Parsed extends
  SpliceOptions, RunFlags, TuneFlag, StrengthFlag, OutputOptions,
  Pick<TransferOptions, 'model' | 'saveEvery' | 'keepEvery' | 'testTimeRegisters' | 'structureRegions' | 'appearanceRegions'>,
  Pick<VitSettings, 'heads' | 'patch' | 'mean' | 'std'> {
  readonly size: Side;
  readonly structure?: string;
  readonly appearance?: readonly string[];
  readonly generator?: string;
  readonly finetune?: number;
  readonly published?: boolean;
  readonly mix?: readonly number[];
  readonly until: string;
  readonly seeds: number;
  readonly judge?: string;
  readonly fit?: boolean;
  readonly time?: number;
  readonly from?: { readonly run: string; readonly step?: number };
  readonly set?: readonly string[];
}

const EXAMPLE = `
DIR gets result.png, trained.png, triptych.png, previews/, generator.safetensors, report.json, config.json, log.jsonl,
timings.jsonl, losses.svg and checkpoints/. The result has the structure photo's size: it is trained at --size and gets detail at
the end; trained.png is the picture without. Ctrl-C finishes the current step and writes all of them; --resume continues from
there, or from the last checkpoint of a run that was killed.

Example:
  $ splice-gpu transfer --structure cow.jpg --appearance highland.jpg --out out/cow
  $ splice-gpu transfer --structure cow.jpg --appearance highland.jpg --out out/cow --size 256 --steps 2000 --output-size 1080
  $ splice-gpu transfer --structure cow.jpg --appearance highland.jpg --out out/cow --time 10m
  $ splice-gpu transfer --resume out/cow --steps 4000
  $ splice-gpu transfer --resume out/cow --strength 0,0.25,0.5,0.75,1
  $ splice-gpu transfer --from out/cow@1000 --set lambda-appearance=20 --out out/stronger
  $ splice-gpu transfer --structure frames --appearance highland.jpg --out out/sequence
  $ splice-gpu transfer --structure cow.jpg --appearance highland.jpg --out out/best --size 256 --seeds 4 --until plateau
  $ splice-gpu transfer --generator cats/generator.safetensors --structure a.jpg --appearance b.jpg --out out/ab --finetune 200
  $ splice-gpu transfer --generator cats/generator.safetensors --structure a.jpg --appearance b.jpg --appearance c.jpg \\
      --mix 0,0.25,0.5,0.75,1 --out out/abc`;

export interface TransferWork extends TrainingWork<TransferOptions> {
  branch(options: BranchOptions): Promise<void>;
  onePass(options: OnePassOptions): Promise<void>;
  finetune(options: FinetuneOptions): Promise<void>;
}

/** What makes a pair's training steadier. */
const steadyingOptions = (): readonly Option[] => [
  option('--ema <share>', 'share of itself that the moving average of the weights keeps; the result is the average (0: none)',
    share, defaultOptions.ema),
  option('--lr-decay <share>', 'share of the steps, the last ones, over which the learning rate falls to zero', fraction,
    defaultOptions.lrDecay),
  option('--lr-warmup <share>', 'share of the steps, the first ones after the warm start, over which the learning rate rises '
    + 'from zero', fraction, defaultOptions.lrWarmup),
  option('--clip <length>', 'the gradient is shortened to this length where it is longer (0: it is not)', notNegative,
    defaultOptions.clip),
  option('--lambda-patches <weight>', 'weight of the distance between patches of output and appearance, by tokens and colours',
    notNegative, defaultOptions.lambdaPatches),
  option('--patch-colours <weight>', 'weight of colours in the distance of two patches, in which their tokens have 1',
    notNegative, defaultOptions.patchColours),
  option('--lambda-colours <weight>', 'weight of the distance between the colours of output and appearance', notNegative,
    defaultOptions.lambdaColours),
  option('--key-layers <list>', 'layers whose keys the structure loss compares, such as 8,11; the first is 0',
    wholeList(0, 999)).default(defaultOptions.keyLayers, 'the last'),
  option('--lambda-texture <weight>', 'weight of the distance between the finest textures of output and appearance', notNegative,
    defaultOptions.lambdaTexture),
  option('--lambda-still <weight>', 'with a folder of frames: weight of the difference between results of neighbouring frames '
    + 'where these are equal', notNegative, STILL),
  option('--warm-look <share>', "share of the appearance's colours in what the warm start paints (0: the photo as it is)",
    fraction, defaultOptions.warmLook),
];

/** The options under --published. */
const PUBLISHED: Partial<Parsed> = { ...published, size: 'full', detail: 0 };

function asPublished(parsed: Parsed, command: Command): Parsed {
  if (!parsed.published) return parsed;
  return { ...parsed, ...Object.fromEntries(Object.entries(PUBLISHED).filter(([name]) => !isGiven(command, name))) };
}

/** Label images. */
export const regionOptions = (): readonly Option[] => [
  option('--structure-regions <file>', 'PNG that labels regions of the structure photo, each in a colour of its own; black and '
    + 'transparent parts have none. See "splice-gpu regions"'),
  option('--appearance-regions <file>', 'the same for the appearance photo: regions of one colour get the look of each other'),
];

/** The options of a pair's training that a batch has too. */
export const pairOptions = (): readonly Option[] => [
  modelOption(),
  option('--heads <count>', "attention heads of the ViT (default: from the weights' .json, else width / 64)", whole(1)),
  option('--patch <pixels>', 'side of a patch; must match the weights', whole(1)),
  option('--mean <rgb>', "mean of the input, as 0.485,0.456,0.406 (default: the .json's, else ImageNet's)", rgb),
  option('--std <rgb>', "standard deviation of the input (default: the .json's, else ImageNet's)", positiveRgb),
  registersOption(),
  option<Side>('--size <pixels>', 'shorter side that both photos are trained at; full: their own, as published; auto: at most '
    + '512, as the device holds it, and small on a software adapter, where --vit-size and --steps are chosen too unless given',
  sizeOr(['auto', 'full'], MAX_SIDE), 'auto'),
  ...outputOptions(),
  ...methodOptions(),
  option('--warm-start <steps>', 'steps of plain reconstruction first; 0 is as published', whole(0), defaultOptions.warmStart),
  option('--warm-seed <number>', 'seed of the first weights and of the warm start (default: --seed)', seed),
  option('--shared-steps <count>', 'with --warm-seed: steps after the warm start that are those of that seed too (default: 0); '
    + 'with --seeds: those that all seeds share (default: a fifth)', whole(0)),
  ...steadyingOptions(),
  option('--published', 'the published method: --size full, --detail 0, --warm-start 0 and none of what steadies; options that '
    + 'are given as well count'),
  option('--save-every <steps>', 'steps between saved pictures and checkpoints', whole(1), 250),
  option('--keep-every <steps>', 'steps between checkpoints that are kept, for --from; a multiple of --save-every', whole(1)),
  option('--until <what>', 'end before --steps: "plateau", when nothing gets better from save to save, or when a save reaches '
    + 'figures, such as sharpness:0.2 or structure:0.7,colour:5', textFor(untilOf), TO_THE_END),
  option('--seeds <count>', 'the best of several seeds: --seed and those after it train a part of the steps, the worse half is '
    + 'dropped after each round, and the best goes on; four seeds cost half as much again as one', whole(1, 64), 1),
  tuneOption(),
  option('--judge <name|file>', 'with --seeds: the ViT that compares them (default: another than --model that is at hand)'),
];

export const transferCommand = (work: TransferWork): Command =>
  withOptions(new Command('transfer').description('paint the structure photo with the look of the appearance photo'), [
    option('--structure <file>', 'photo whose layout is kept (PNG, JPEG, WebP or AVIF), or a folder of frames, numbered pictures '
      + 'of one size: one generator for all of them'),
    option('--appearance <file>', 'photo whose look is taken; twice with --mix; with --structure-regions once for each region, '
      + 'as COLOUR=FILE or NAME:COLOUR=FILE', several),
    ...regionOptions(),
    ...runOptions('--steps (more of them), --until, --strength, --watch and --json'),
    option('--fit', 'measure a few steps, and choose the largest --size, the --steps and the best --model that end within '
      + '--time; what is given stays'),
    option('--time <duration>', 'with --fit, which it implies: 90s, 10m, 2h (default: 10m)', duration),
    option('--from <run@step>', 'a branch of the run in a folder: goes on after so many of its steps, or from its newest '
      + 'checkpoint, with its options but for those that are given as well', runAt),
    option('--set <name=value>', 'with --from: an option that differs, as lambda-appearance=20; --lambda-appearance 20 is the '
      + 'same', several),
    option('--generator <file>', 'a generator that `train` made: one forward pass instead of a training'),
    option('--finetune <steps>', 'with --generator: train it on this pair (default of --lr: 0.0002)', whole(1)),
    option('--strength <list>', 'also pictures between the structure photo, 0, and the result, 1, or beyond it, up to 1.5, such '
      + 'as 0,0.5,1; with --resume of a finished run too', strengths),
    option('--mix <shares>', 'with --generator: shares of the second appearance, such as 0,0.5,1; strip.png shows them', shares),
    ...pairOptions(),
  ])
    .addHelpText('after', EXAMPLE)
    .action((parsed: Parsed, command: Command) => dispatch(asPublished(parsed, command), command, work));

/** The options that go with --resume. */
const RESUMED = ['steps', 'until', 'strength', 'watch', 'json'];

/** The options of one forward pass of a trained generator. */
const ONE_PASS = [
  'structure', 'appearance', 'out', 'force', 'json', 'generator', 'mix', 'model', 'size', 'detail', 'upscale', 'outputSize',
];

/** What --finetune replaces. */
const NOT_FINETUNED = ['steps', 'warmStart', 'warmLook', 'warmSeed', 'sharedSteps'];

function dispatch(parsed: Parsed, command: Command, work: TransferWork): Promise<void> {
  const { from, resume, generator, finetune, mix } = parsed;
  if (resume !== undefined) return work.resume(resumeOf(command, resume, parsed, RESUMED));
  if (from !== undefined) return work.branch(branchOf(from, withSet(parsed, command), command));
  if (parsed.set) command.error('error: --set needs --from');
  if (generator === undefined) {
    if (finetune !== undefined || mix) command.error(`error: ${mix ? '--mix' : '--finetune'} needs --generator`);
    return work.run(optionsOf(parsed, command));
  }
  if (finetune !== undefined && mix) {
    command.error('error: give --mix or --finetune: one mixes conditions, the other trains on one pair');
  }
  if (finetune === undefined) {
    refuseIdle(command, (name) => !ONE_PASS.includes(name), 'with --generator, which trains nothing without --finetune');
    return work.onePass(onePassOf(generator, parsed, command));
  }
  refuseIdle(command, (name) => NOT_FINETUNED.includes(name), 'with --finetune, which sets the number of steps');
  const transfer = optionsOf(parsed, command);
  return work.finetune({ generator, steps: finetune, transfer, isGiven: (name) => isGiven(command, name) });
}

/** RUN@STEP or RUN. */
function runAt(text: string): Parsed['from'] {
  const [, run = text, step] = /^(.+)@(\d+)$/.exec(text) ?? [];
  return { run, ...(step !== undefined && { step: Number(step) }) };
}

/** With the options that --set gives, read as if they stood on the command line themselves. */
function withSet({ set = [] }: Parsed, command: Command): Parsed {
  const [unknown] = command.parseOptions(set.map((each) => `--${each}`)).unknown;
  if (unknown) command.error(`error: --set ${unknown.slice(2)}: transfer has no such option`);
  return command.opts<Parsed>();
}

/** What a branch cannot have of its own: these belong to the steps that it takes from the other run. */
const BEGUN = [
  'fit', 'time', 'generator', 'finetune', 'mix', 'recipe', 'warmStart', 'warmLook', 'warmSeed', 'sharedSteps', 'published',
  'seeds', 'judge', 'tune',
];
/** Options that are no settings of the training. */
const AROUND = ['from', 'set', 'out', 'force', 'json', 'watch'];

function branchOf(from: NonNullable<Parsed['from']>, parsed: Parsed, command: Command): BranchOptions {
  refuseIdle(command, (name) => BEGUN.includes(name), 'with --from, whose run has begun');
  const { out = '', force = false, json = false, watch } = parsed;
  requireOption(command, out, '--out <dir>');
  const names = command.options.map((each) => each.attributeName());
  const given = names.filter((name) => !AROUND.includes(name) && isGiven(command, name));
  const { structure, appearance } = parsed;
  if (appearance && appearance.length > 1) command.error('error: --appearance is given twice: give it once');
  const photos = { ...(structure && { structure }), ...(appearance && { appearance: appearance[0]! }) };
  const set = { ...Object.fromEntries(given.map((name) => [name, parsed[name as keyof Parsed]])), ...photos };
  return { ...from, out, force, json, ...portOf(watch), set, given: { ...settingsOf(parsed, command), ...photos } };
}

function shares(text: string): number[] {
  const values = numbersIn(text);
  if (values.every((value) => value >= 0 && value <= 1)) return values;
  throw new InvalidArgumentError('Give numbers from 0 to 1 with commas, such as 0,0.25,0.5,0.75,1.');
}

function strengths(text: string): number[] {
  const values = numbersIn(text);
  if (values.every((value) => value >= 0 && value <= MOST_STRENGTH) && new Set(values).size === values.length) return values;
  throw new InvalidArgumentError(`Give different numbers from 0 to ${MOST_STRENGTH} with commas, such as 0,0.5,1.`);
}

/** Checks the options that every new run needs. @param looks appearance photos that it takes */
function required(parsed: Parsed, command: Command, looks: 1 | 2) {
  const { structure = '', appearance = [], out = '', force = false, json = false } = parsed;
  requireOption(command, structure, '--structure <file>');
  requireOption(command, appearance.length, '--appearance <file>');
  requireOption(command, out, '--out <dir>');
  const given = appearance.length === 1 ? 'once' : `${appearance.length} times`;
  const right = looks === 1 ? 'give it once (twice is for --mix)' : '--mix takes two';
  if (appearance.length !== looks) command.error(`error: --appearance is given ${given}: ${right}`);
  return { structure, appearance, out, force, json };
}

function onePassOf(generator: string, parsed: Parsed, command: Command): OnePassOptions {
  const { model, size, mix } = parsed;
  const { appearance: appearances, ...rest } = required(parsed, command, mix ? 2 : 1);
  const given = { ...(isGiven(command, 'model') && { model }), ...(size !== 'auto' && { size }), ...(mix && { mix }) };
  return { generator, appearances, ...rest, ...given, ...outputOf(command, parsed) };
}

function optionsOf(parsed: Parsed, command: Command): TransferOptions {
  const { seeds, seed, warmSeed, sharedSteps, judge, watch } = parsed;
  const looks = looksOf(parsed, command);
  const { appearance, ...rest } = required(looks ? { ...parsed, appearance: [looks[0]!.path] } : parsed, command, 1);
  if (sharedSteps !== undefined && warmSeed === undefined && seeds === 1) {
    command.error('error: --shared-steps are those of another seed: give --warm-seed, such as --warm-seed 1, or --seeds');
  }
  if (judge !== undefined && seeds === 1) command.error('error: --judge compares several seeds: give --seeds, such as --seeds 4');
  return {
    ...rest,
    appearance: appearance[0]!,
    ...(looks && { looks }),
    ...settingsOf(parsed, command),
    ...(seeds > 1 && {
      seeds: {
        count: seeds, first: seed, ...(judge !== undefined && { judge }), ...(sharedSteps !== undefined && { sharedSteps }),
      },
    }),
    ...fitOf(parsed, command),
    ...portOf(watch),
    ...tuneOf(parsed),
  };
}

/** The appearance photos of regions; undefined where a label image says what the regions get. */
function looksOf({ appearance = [], structureRegions, appearanceRegions }: Parsed, command: Command): Look[] | undefined {
  if (structureRegions === undefined || appearanceRegions !== undefined) return undefined;
  return appearance.map((text) => {
    const [, name, colour = '', path = ''] = /^(?:([^:=]+):)?([^:=]+)=(.+)$/.exec(text) ?? [];
    const found = colourOf(colour);
    if (found !== undefined) return { ...(name !== undefined && { name }), colour: found, path };
    const names = Object.keys(NAMED).join(', ');
    const remedy = `give --appearance-regions, or --appearance COLOUR=FILE with #rrggbb or one of ${names}`;
    return command.error(`error: --structure-regions: --appearance ${text} names no region's colour: ${remedy}`);
  });
}

/** What a run is told besides its photos and its place. */
function settingsOf(parsed: Parsed, command: Command): Settings {
  const { model, heads, patch, mean, std, testTimeRegisters, size, saveEvery, keepEvery, until, strength } = parsed;
  const { structureRegions, appearanceRegions } = parsed;
  return {
    model,
    vit: { ...(heads && { heads }), ...(patch && { patch }), ...(mean && { mean }), ...(std && { std }) },
    ...(testTimeRegisters && { testTimeRegisters }),
    ...(typeof size === 'number' && { size }),
    choose: choosableIn(parsed, command),
    ...outputOf(command, parsed),
    ...(structureRegions !== undefined && { structureRegions }),
    ...(appearanceRegions !== undefined && { appearanceRegions }),
    saveEvery,
    ...(keepEvery !== undefined && { keepEvery }),
    ...untilField(until),
    ...(strength && { strength }),
    splice: { ...spliceOf(parsed), ...beginningOf(parsed) },
  };
}

/** Nothing for the run's own seed. */
function beginningOf({ seed, seeds, warmSeed = seed, sharedSteps = 0 }: Parsed): Pick<SpliceOptions, (typeof BEGINNING)[number]> {
  return warmSeed === seed ? {} : { warmSeed, ...(seeds === 1 && sharedSteps > 0 && { sharedSteps }) };
}

/** Seconds that the run may take. */
function fitOf({ fit, time, seeds, published: asPublic }: Parsed, command: Command): Pick<TransferOptions, 'fit'> {
  if (!fit && time === undefined) return {};
  const other = seeds > 1 ? '--seeds, which makes several runs' : asPublic && '--published, which leaves nothing to choose';
  if (other) command.error(`error: --${fit ? 'fit' : 'time'} cannot be given with ${other}: leave one out`);
  return { fit: time ?? FIT_SECONDS };
}

/** What is left to the program. */
const choosableIn = ({ size, published: asPublic = false }: Parsed, command: Command): readonly Choosable[] =>
  CHOOSABLE.filter((name) => (name === 'size' ? size === 'auto' : !asPublic && !isGiven(command, name)));

/** The method's own options, in the order of its defaults. */
export function spliceOf(parsed: SpliceOptions): SpliceOptions {
  const names = Object.keys(defaultOptions) as (keyof SpliceOptions)[];
  return Object.fromEntries(names.map((name) => [name, parsed[name]])) as unknown as SpliceOptions;
}
