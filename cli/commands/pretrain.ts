/** `splice-gpu pretrain`: options only. */
import { Command } from 'commander';
import {
  distillationDefaults, pretrainDefaults, selfDistillationOnly, type PretrainOptions,
} from '../../model/pretraining/options.js';
import type { PretrainCommand } from '../pretrain/pretrain.js';
import { UsageError } from '../shared/errors.js';
import {
  option, portOf, requireOption, resumeOf, runOptions, tuneOf, tuneOption, withOptions, type RunFlags, type TrainingWork,
  type TuneFlag,
} from './options.js';
import { fraction, notNegative, positive, seed, several, whole, wholeList } from './values.js';

const [d, t] = [pretrainDefaults, distillationDefaults];

/** The name of an option on the command line. */
const flagOf = (key: string): string => `--${key.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`;

/** @throws UsageError for an option that has no effect when the ViT learns from another one, or from itself */
function settingsOf(given: Partial<PretrainOptions>): PretrainOptions {
  if (given.teacher === undefined) {
    const idle = (['views', 'mixup', 'otherSizes'] as const).find((key) => given[key]);
    if (idle) throw new UsageError(`${flagOf(idle)} has no effect without --teacher: leave it out`);
    return { ...pretrainDefaults, ...given };
  }
  const idle = selfDistillationOnly.find((key) => given[key] !== undefined);
  if (idle) throw new UsageError(`${flagOf(idle)} has no effect with --teacher: leave one of them out`);
  return { ...distillationDefaults, ...given };
}

interface Parsed extends Partial<PretrainOptions>, RunFlags, TuneFlag, Pick<PretrainCommand, 'init' | 'saveEvery'> {
  readonly photos?: readonly string[];
}

const EXAMPLE = `
Without --teacher: self-distillation (DINO, Caron et al., ICCV 2021), which needs no labels.
With --teacher: the ViT learns to see what another ViT sees: its CLS token, the keys of its last block and of the one after two
thirds, and the keys' similarities. That takes far fewer photos and steps. The result is not a DINO model: it knows what its
teacher knows, supervised or not.
Defaults are then --lr ${t.lr}, --warmup-epochs ${t.warmupEpochs} and --weight-decay ${t.weightDecay}.

DIR gets vit.safetensors (float16) and vit.json, previews/ and result.png (what the ViT sees, each epoch), config.json, log.jsonl,
timings.jsonl, losses.svg and checkpoints/. Ctrl-C finishes the current step and writes all of them; --resume continues from
there, or from the last checkpoint of a run that was killed.

Example:
  $ splice-gpu pretrain --photos holiday --out out/vit --epochs 100
  $ splice-gpu pretrain --resume out/vit
  $ splice-gpu pretrain --teacher dino_vitb8 --photos holiday --out out/small`;

export const pretrainCommand = ({ run, resume }: TrainingWork<PretrainCommand>): Command =>
  withOptions(new Command('pretrain').description('train a small ViT on folders of photos, without labels or from another ViT'), [
    option('--photos <dir>', 'folder of photos; may be given several times', several),
    ...runOptions('--watch and --json'),
    tuneOption(),
    option('--teacher <name|file>', 'learn from this ViT instead of from its own average'),
    option('--views <count>', 'with --teacher: crops of a photo, after which they come again; the teacher is asked once for each '
      + '(default: 0, always new ones)', whole(0)),
    option('--mixup <share>', 'with --teacher: share of the crops that are blended with another photo (default: 0)', fraction),
    option('--other-sizes <pixels,...>', 'with --teacher: sides at which every crop is seen besides --image-size (default: none)',
      wholeList(8, 1024)),
    option('--init <file|teacher>', 'weights of a ViT of the same sizes to begin with; its image side may be another. teacher: '
      + 'the first blocks of --teacher, as many as --depth'),
    option('--dim <count>', `width of a token (default: ${d.dim})`, whole(4, 4096)),
    option('--depth <count>', `blocks (default: ${d.depth})`, whole(1, 64)),
    option('--heads <count>', `attention heads (default: ${d.heads})`, whole(1, 64)),
    option('--patch <pixels>', `side of a patch (default: ${d.patch})`, whole(1, 64)),
    option('--image-size <pixels>', `side of the global crops (default: ${d.imageSize})`, whole(8, 1024)),
    option('--local-size <pixels>', `side of the local crops (default: ${d.localSize})`, whole(4, 1024)),
    option('--locals <count>', `local crops of a photo (default: ${d.locals})`, whole(0, 32)),
    option('--batch <count>', `photos per step (default: ${d.batch})`, whole(1, 4096)),
    option('--epochs <count>', `passes over all photos (default: ${d.epochs})`, whole(1)),
    option('--seed <number>', `seed of weights, order and crops (default: ${d.seed})`, seed),
    option('--head-hidden <count>', `width of the head's hidden layers (default: ${d.headHidden})`, whole(1, 8192)),
    option('--bottleneck <count>', `width of the head's bottleneck (default: ${d.bottleneck})`, whole(1, 4096)),
    option('--prototypes <count>', `outputs of the head (default: ${d.prototypes})`, whole(2, 131072)),
    option('--lr <rate>', `learning rate for 256 photos per step (default: ${d.lr})`, positive),
    option('--min-lr <rate>', `learning rate at the end (default: ${d.minLr})`, notNegative),
    option('--warmup-epochs <count>', `epochs in which the learning rate rises (default: ${d.warmupEpochs})`, whole(0)),
    option('--weight-decay <number>', `weight decay at the start (default: ${d.weightDecay})`, notNegative),
    option('--weight-decay-end <number>', `weight decay at the end (default: ${d.weightDecayEnd})`, notNegative),
    option('--clip <length>', `maximum length of the gradient (default: ${d.clip})`, positive),
    option('--momentum <share>', `share of itself that the teacher keeps at first (default: ${d.momentum})`, notNegative),
    option('--teacher-temp-start <number>', `the teacher's temperature at the start (default: ${d.teacherTempStart})`, positive),
    option('--teacher-temp <number>', `the teacher's temperature after its warm-up (default: ${d.teacherTemp})`, positive),
    option('--teacher-warmup-epochs <count>', `epochs of that warm-up (default: ${d.teacherWarmupEpochs})`, whole(0)),
    option('--freeze-last-layer <epochs>', `epochs with a fixed last layer (default: ${d.freezeLastLayer})`, whole(0)),
    option('--save-every <steps>', 'steps between checkpoints, besides those after each epoch', whole(1)),
  ])
    .addHelpText('after', EXAMPLE)
    .action((parsed: Parsed, command: Command) => {
      const { photos = [], out = '', init, resume: folder, saveEvery, ...rest } = parsed;
      const { force = false, watch, json = false, tune, ...settings } = rest;
      if (folder !== undefined) return resume(resumeOf(command, folder, parsed, ['watch', 'json']));
      requireOption(command, photos.length, '--photos <dir>');
      requireOption(command, out, '--out <dir>');
      const given = { ...(init !== undefined && { init }), ...(saveEvery && { saveEvery }) };
      return run({ photos, out, force, json, options: settingsOf(settings), ...portOf(watch), ...tuneOf({ tune }), ...given });
    });
