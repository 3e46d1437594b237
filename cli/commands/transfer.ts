/** `splice-gpu transfer`: options only. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { defaultOptions, type SpliceOptions } from '../../model/method/options.js';
import type { ApplyOptions } from '../transfer/onePass.js';
import type { FinetuneOptions } from '../transfer/finetune.js';
import { precisionOption, real, rgb, whole } from './values.js';
import type { ResumeOptions } from '../run/config.js';
import type { TransferOptions } from '../transfer/transfer.js';
import { AUTO_MODEL, knownModels } from '../models/load.js';
import { portOf, watchOption } from './view.js';

interface Parsed extends SpliceOptions {
  readonly structure?: string;
  readonly appearance?: string[];
  readonly out?: string;
  readonly resume?: string;
  readonly model: string;
  readonly heads?: number;
  readonly patch?: number;
  readonly mean?: [number, number, number];
  readonly std?: [number, number, number];
  readonly size?: number;
  readonly saveEvery: number;
  readonly force?: boolean;
  readonly watch?: number | true;
  readonly json?: boolean;
  readonly generator?: string;
  readonly finetune?: number;
  readonly mix?: number[];
}

const MAX_SEED = 2 ** 32 - 1;
const MAX_SIDE = 8192;

const EXAMPLE = `
DIR gets result.png, triptych.png, previews/, generator.safetensors, config.json, log.jsonl, timings.jsonl, losses.svg and checkpoints/.
Ctrl-C finishes the current step and writes all of them; --resume goes on from there, or from the last checkpoint of a run that was killed.

Example:
  $ splice-gpu transfer --structure cow.jpg --appearance highland.jpg --out out/cow --size 256 --steps 2000
  $ splice-gpu transfer --resume out/cow --steps 4000
  $ splice-gpu transfer --generator cats/generator.safetensors --structure a.jpg --appearance b.jpg --out out/ab --finetune 200
  $ splice-gpu transfer --generator cats/generator.safetensors --structure a.jpg --appearance b.jpg --appearance c.jpg --mix 0,0.25,0.5,0.75,1 --out out/abc`;

/** What goes with --resume; all else is in the run's config.json. */
const WITH_RESUME = ['resume', 'steps', 'watch', 'json'];

/** What a generator for all pairs does with one. */
export interface GeneralWork {
  apply(options: ApplyOptions): Promise<void>;
  finetune(options: FinetuneOptions): Promise<void>;
}

interface Work extends Partial<GeneralWork> {
  run(options: TransferOptions): Promise<void>;
  resume(options: ResumeOptions): Promise<void>;
}

export const transferCommand = (run: Work['run'], resume: Work['resume'], general: Partial<GeneralWork> = {}): Command =>
  new Command('transfer')
    .description('paint the structure photo with the look of the appearance photo')
    .option('--structure <file>', 'photo whose layout is kept (PNG, JPEG, WebP or AVIF)')
    .option('--appearance <file>', 'photo whose look is taken; twice with --mix', (path: string, before: string[] = []) => [...before, path])
    .option('--out <dir>', 'folder for the results')
    .option('--resume <dir>', 'go on with the run in DIR, from its last checkpoint and with its options; only --steps (more of them), --watch and --json go with it')
    .option('--generator <file>', 'a generator that `train` made: one forward pass instead of a training')
    .option('--finetune <steps>', 'with --generator: train it on this pair for so many steps', whole(1))
    .option('--mix <shares>', "with --generator: shares of the second appearance, such as 0,0.5,1; strip.png shows them", shares)
    .option('--model <name|file>', `ViT: ${knownModels().join(', ')}, what "models list" shows, or a checkpoint (safetensors or PyTorch); auto: dino_vits8 if it is here or can be fetched, else what ships`, AUTO_MODEL)
    .option('--heads <count>', "attention heads of the ViT (default: from the weights' .json, else width / 64)", whole(1))
    .option('--patch <pixels>', 'patch side the weights must have', whole(1))
    .option('--mean <rgb>', "input mean, such as 0.5 or 0.485,0.456,0.406 (default: from the .json, else ImageNet's)", rgb({ positive: false }))
    .option('--std <rgb>', "input deviation, likewise (default: from the .json, else ImageNet's)", rgb({ positive: true }))
    .addOption(new Option('--recipe <name>', 'generator, losses and augmentations').choices(['splice', 'splice-transfer']).default(defaultOptions.recipe))
    .option('--steps <count>', 'optimiser steps', whole(1), defaultOptions.steps)
    .option('--size <pixels>', 'shorter side both photos are brought to (default: as they are)', whole(1, MAX_SIDE))
    .option('--seed <number>', 'seed of the weights and crops', whole(0, MAX_SEED), defaultOptions.seed)
    .option('--lambda-structure <weight>', 'weight of the structure loss', real({ positive: false }), defaultOptions.lambdaStructure)
    .option('--lambda-appearance <weight>', 'weight of the appearance loss', real({ positive: false }), defaultOptions.lambdaAppearance)
    .option('--lambda-identity <weight>', 'weight of the identity loss', real({ positive: false }), defaultOptions.lambdaIdentity)
    .option('--lr <rate>', 'learning rate; with --finetune 0.0002 unless given', real({ positive: true }), defaultOptions.lr)
    .option('--no-antialias', "point-sample the ViT's input as the published runs did")
    .option('--warm-start <steps>', 'steps of plain reconstruction first; 0 is the published behaviour', whole(0), defaultOptions.warmStart)
    .option('--vit-size <pixels>', "shorter side of the ViT's input; smaller is faster and coarser", whole(1, MAX_SIDE), defaultOptions.vitSize)
    .option('--checkpointing', "compute parts of the generator again instead of keeping them: less memory, more time, the same numbers", defaultOptions.checkpointing)
    .addOption(precisionOption())
    .option('--save-every <steps>', 'steps between saved pictures and checkpoints', whole(1), 250)
    .option('--force', 'replace an earlier run in DIR')
    .addOption(watchOption())
    .option('--json', 'print the summary as one JSON object on stdout')
    .addHelpText('after', EXAMPLE)
    .action((parsed: Parsed, command: Command) => dispatch(parsed, command, { run, resume, ...general }));

function dispatch(parsed: Parsed, command: Command, work: Work): Promise<void> {
  const { resume, generator, finetune, mix } = parsed;
  if (resume !== undefined) return work.resume(toResume(parsed, resume, command));
  if (generator === undefined) {
    if (finetune !== undefined || mix) command.error(`error: ${mix ? '--mix' : '--finetune'} goes with --generator only`);
    return work.run(toOptions(parsed, command));
  }
  if (!work.apply || !work.finetune) command.error('error: --generator is for single pairs');
  if (finetune !== undefined && mix) command.error('error: --mix mixes what the generator is told, --finetune trains it on one pair: give one of them');
  const isGiven = (name: string): boolean => command.getOptionValueSource(name) === 'cli';
  if (finetune !== undefined) return work.finetune!({ generator, steps: finetune, transfer: toOptions(parsed, command), isGiven });
  const { structure, appearance, out, force, json } = required(parsed, command, mix ? 2 : 1);
  const { model, size } = parsed;
  return work.apply!({ generator, structure, appearances: appearance, out, ...(isGiven('model') && { model }), ...(size && { size }), ...(mix && { mix }), force, json });
}

function shares(text: string): number[] {
  const values = text.split(',').map((part) => (part.trim() === '' ? NaN : Number(part)));
  if (values.every((value) => value >= 0 && value <= 1)) return values;
  throw new InvalidArgumentError('Give numbers from 0 to 1 with commas, such as 0,0.25,0.5,0.75,1.');
}

/** What every run needs. */
function required({ structure = '', appearance = [], out = '', force = false, json = false }: Parsed, command: Command, looks: number) {
  for (const [value, flags] of [[structure, '--structure <file>'], [appearance.join(), '--appearance <file>'], [out, '--out <dir>']]) {
    if (!value) command.error(`error: required option '${flags}' not specified`);
  }
  if (appearance.length !== looks) command.error(`error: --appearance is given ${appearance.length === 1 ? 'once' : `${appearance.length} times`}: ${looks === 1 ? 'once is right (twice goes with --mix)' : '--mix takes two'}`);
  return { structure, appearance, out, force, json };
}

function toResume({ steps, watch, json = false }: Parsed, folder: string, command: Command): ResumeOptions {
  const given = command.options.filter((option) => command.getOptionValueSource(option.attributeName()) === 'cli');
  const extra = given.find((option) => !WITH_RESUME.includes(option.attributeName()));
  if (extra) command.error(`error: ${extra.long} cannot go with --resume, which takes it from ${folder}: leave it out`);
  return { folder, json, ...portOf(watch), ...(given.some((option) => option.attributeName() === 'steps') && { steps }) };
}

function toOptions(parsed: Parsed, command: Command): TransferOptions {
  const { structure: _s, appearance: _a, out: _o, force: _f, json: _j, resume: _r, generator: _g, finetune: _n, mix: _m, ...rest } = parsed;
  const { model, heads, patch, mean, std, size, saveEvery, watch, ...splice } = rest;
  const { structure, appearance, out, force, json } = required(parsed, command, 1);
  return {
    structure,
    appearance: appearance[0]!,
    out,
    model,
    vit: { ...(heads && { heads }), ...(patch && { patch }), ...(mean && { mean }), ...(std && { std }) },
    ...(size && { size }),
    saveEvery,
    force,
    ...portOf(watch),
    json,
    splice,
  };
}
