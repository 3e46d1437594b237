/** `splice-gpu transfer`: options only. */
import { Command, Option } from 'commander';
import { defaultOptions, type SpliceOptions } from '../../model/options.js';
import { real, rgb, whole } from '../numbers.js';
import type { ResumeOptions } from '../resume.js';
import type { TransferOptions } from '../transfer.js';
import { AUTO_MODEL, knownModels } from '../weights.js';
import { portOf, watchOption } from './view.js';

interface Parsed extends SpliceOptions {
  readonly structure?: string;
  readonly appearance?: string;
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
}

const MAX_SEED = 2 ** 32 - 1;
const MAX_SIDE = 8192;

const EXAMPLE = `
DIR gets result.png, triptych.png, previews/, generator.safetensors, config.json, log.jsonl, timings.jsonl, losses.svg and checkpoints/.
Ctrl-C finishes the current step and writes all of them; --resume goes on from there, or from the last checkpoint of a run that was killed.

Example:
  $ splice-gpu transfer --structure cow.jpg --appearance highland.jpg --out out/cow --size 256 --steps 2000
  $ splice-gpu transfer --resume out/cow --steps 4000`;

/** What goes with --resume; all else is in the run's config.json. */
const WITH_RESUME = ['resume', 'steps', 'watch', 'json'];

export const transferCommand = (run: (options: TransferOptions) => Promise<void>, resume: (options: ResumeOptions) => Promise<void>): Command =>
  new Command('transfer')
    .description('paint the structure photo with the look of the appearance photo')
    .option('--structure <file>', 'photo whose layout is kept (PNG, JPEG, WebP or AVIF)')
    .option('--appearance <file>', 'photo whose look is taken')
    .option('--out <dir>', 'folder for the results')
    .option('--resume <dir>', 'go on with the run in DIR, from its last checkpoint and with its options; only --steps (more of them), --watch and --json go with it')
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
    .option('--lr <rate>', 'learning rate', real({ positive: true }), defaultOptions.lr)
    .option('--no-antialias', "point-sample the ViT's input as the published runs did")
    .option('--warm-start <steps>', 'steps of plain reconstruction first; 0 is the published behaviour', whole(0), defaultOptions.warmStart)
    .option('--vit-size <pixels>', "shorter side of the ViT's input; smaller is faster and coarser", whole(1, MAX_SIDE), defaultOptions.vitSize)
    .option('--checkpointing', "compute parts of the generator again instead of keeping them: less memory, more time, the same numbers", defaultOptions.checkpointing)
    .option('--save-every <steps>', 'steps between saved pictures and checkpoints', whole(1), 250)
    .option('--force', 'replace an earlier run in DIR')
    .addOption(watchOption())
    .option('--json', 'print the summary as one JSON object on stdout')
    .addHelpText('after', EXAMPLE)
    .action((parsed: Parsed, command: Command) => (parsed.resume === undefined ? run(toOptions(parsed, command)) : resume(toResume(parsed, parsed.resume, command))));

function toResume({ steps, watch, json = false }: Parsed, folder: string, command: Command): ResumeOptions {
  const given = command.options.filter((option) => command.getOptionValueSource(option.attributeName()) === 'cli');
  const extra = given.find((option) => !WITH_RESUME.includes(option.attributeName()));
  if (extra) command.error(`error: ${extra.long} cannot go with --resume, which takes it from ${folder}: leave it out`);
  return { folder, json, ...portOf(watch), ...(given.some((option) => option.attributeName() === 'steps') && { steps }) };
}

function toOptions(parsed: Parsed, command: Command): TransferOptions {
  const { structure = '', appearance = '', out = '', model, heads, patch, mean, std, size, saveEvery, force, watch, json, resume: _, ...splice } = parsed;
  for (const [value, flags] of [[structure, '--structure <file>'], [appearance, '--appearance <file>'], [out, '--out <dir>']]) {
    if (!value) command.error(`error: required option '${flags}' not specified`);
  }
  return {
    structure,
    appearance,
    out,
    model,
    vit: { ...(heads && { heads }), ...(patch && { patch }), ...(mean && { mean }), ...(std && { std }) },
    ...(size && { size }),
    saveEvery,
    force: force ?? false,
    ...portOf(watch),
    json: json ?? false,
    splice,
  };
}
