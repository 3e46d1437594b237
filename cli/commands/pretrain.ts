/** `splice-gpu pretrain`: options only. */
import { Command } from 'commander';
import { distillationDefaults, pretrainDefaults, selfDistillationOnly, type PretrainOptions } from '../../model/pretraining/options.js';
import { UsageError } from '../shared/errors.js';
import { real, whole } from './values.js';
import type { PretrainCommand } from '../pretrain/pretrain.js';

const [d, t] = [pretrainDefaults, distillationDefaults];

/** The options' words on the command line. */
const flagOf = (key: string): string => `--${key.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`;

/** @throws UsageError for an option that plays no part in learning from another ViT */
function optionsOf(given: Partial<PretrainOptions>): PretrainOptions {
  if (given.teacher === undefined) return { ...pretrainDefaults, ...given };
  const idle = selfDistillationOnly.find((key) => given[key] !== undefined);
  if (idle) throw new UsageError(`${flagOf(idle)} plays no part where there is a --teacher: leave one of them out`);
  return { ...distillationDefaults, ...given };
}

interface Parsed extends Partial<PretrainOptions> {
  readonly photos: string[];
  readonly out: string;
  readonly init?: string;
  readonly resume?: boolean;
  readonly force?: boolean;
  readonly json?: boolean;
  readonly saveEvery?: number;
}

const EXAMPLE = `
Without --teacher self-distillation (DINO, Caron et al., ICCV 2021): no labels are needed. FILE gets the teacher's weights as float16, FILE's .json what they are, and the
folder FILE.run (without .safetensors) log.jsonl, config.json, state.safetensors to resume from, and pca/: every epoch a picture of what the ViT sees.
With --teacher the student learns to see what another ViT sees: its CLS token, its keys, and how like they are. That takes far fewer photos and steps; what
comes out is no DINO model: it knows what its teacher knows, supervised or not. Defaults are then: --lr ${t.lr}, --warmup-epochs ${t.warmupEpochs}, --weight-decay ${t.weightDecay}.

Ctrl-C finishes the step and saves everything; after a harder end --resume continues from the last saved state.

Example:
  $ splice-gpu pretrain --photos holiday --out vit.safetensors --epochs 100
  $ splice-gpu pretrain --photos holiday --out vit.safetensors --resume
  $ splice-gpu pretrain --teacher dino_vitb8 --photos holiday --out small.safetensors`;

const share = real({ positive: false });

export const pretrainCommand = (run: (command: PretrainCommand) => Promise<void>): Command =>
  new Command('pretrain')
    .description('train a small ViT on a folder of photos, without labels or by another ViT')
    .requiredOption('--photos <dir>', 'folder of photos; may be given several times', (dir: string, all: string[] | undefined) => [...(all ?? []), dir])
    .requiredOption('--out <file>', 'weights to write (.safetensors)')
    .option('--teacher <name|file>', 'learn from this ViT instead of without any')
    .option('--init <file>', 'weights of a ViT of the same sizes to begin with')
    .option('--resume', 'continue the run beside FILE')
    .option('--force', 'replace the run beside FILE')
    .option('--dim <count>', `width of a token (default: ${d.dim})`, whole(4, 4096))
    .option('--depth <count>', `blocks (default: ${d.depth})`, whole(1, 64))
    .option('--heads <count>', `attention heads (default: ${d.heads})`, whole(1, 64))
    .option('--patch <pixels>', `side of a patch (default: ${d.patch})`, whole(1, 64))
    .option('--image-size <pixels>', `side of the global crops (default: ${d.imageSize})`, whole(8, 1024))
    .option('--local-size <pixels>', `side of the local crops (default: ${d.localSize})`, whole(4, 1024))
    .option('--locals <count>', `local crops of a photo (default: ${d.locals})`, whole(0, 32))
    .option('--batch <count>', `photos per step (default: ${d.batch})`, whole(1, 4096))
    .option('--epochs <count>', `times every photo is looked at (default: ${d.epochs})`, whole(1))
    .option('--seed <number>', `seed of weights, order and crops (default: ${d.seed})`, whole(0, 2 ** 32 - 1))
    .option('--head-hidden <count>', `width of the head's hidden layers (default: ${d.headHidden})`, whole(1, 8192))
    .option('--bottleneck <count>', `width of the head's bottleneck (default: ${d.bottleneck})`, whole(1, 4096))
    .option('--prototypes <count>', `outputs of the head (default: ${d.prototypes})`, whole(2, 131072))
    .option('--lr <rate>', `learning rate for 256 photos per step (default: ${d.lr})`, real({ positive: true }))
    .option('--min-lr <rate>', `learning rate at the end (default: ${d.minLr})`, share)
    .option('--warmup-epochs <count>', `epochs in which the learning rate rises (default: ${d.warmupEpochs})`, whole(0))
    .option('--weight-decay <number>', `weight decay at the start (default: ${d.weightDecay})`, share)
    .option('--weight-decay-end <number>', `and at the end (default: ${d.weightDecayEnd})`, share)
    .option('--clip <length>', `longest gradient (default: ${d.clip})`, real({ positive: true }))
    .option('--momentum <share>', `what the teacher keeps of itself every step, at the start (default: ${d.momentum})`, share)
    .option('--teacher-temp-start <number>', `the teacher's temperature at the start (default: ${d.teacherTempStart})`, real({ positive: true }))
    .option('--teacher-temp <number>', `and after its warm-up (default: ${d.teacherTemp})`, real({ positive: true }))
    .option('--teacher-warmup-epochs <count>', `epochs of that warm-up (default: ${d.teacherWarmupEpochs})`, whole(0))
    .option('--freeze-last-layer <epochs>', `epochs in which the head's last layer is held still (default: ${d.freezeLastLayer})`, whole(0))
    .option('--save-every <steps>', 'steps between saved states (default: an epoch)', whole(1))
    .option('--json', 'print the summary as one JSON object on stdout')
    .addHelpText('after', EXAMPLE)
    .action(({ photos, out, init, resume = false, force = false, json = false, saveEvery, ...given }: Parsed) =>
      run({ photos, out, resume, force, json, given, options: optionsOf(given), ...(init !== undefined && { init }), ...(saveEvery && { saveEvery }) }));
