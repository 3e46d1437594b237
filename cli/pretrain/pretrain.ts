/** The work of `splice-gpu pretrain`: read photos, train, keep log, pictures and state in order. */
import { createHash } from 'node:crypto';
import { optionsProblem, teacherSide, type PretrainOptions } from '../../model/pretraining/options.js';
import type { PretrainRun, PretrainStart, PretrainStats, startPretrain } from '../../model/pretraining/pretrain.js';
import type { Bitmap } from '../../model/pretraining/augment.js';
import { parseSafetensors } from '../../model/files/safetensors.js';
import type { Weights } from '../../model/vit/config.js';
import type { AdapterSummary } from '../gpu/device.js';
import { EXIT_INTERRUPTED, InputError, NonFiniteError, UsageError } from '../shared/errors.js';
import { featurePicture, middleSquare } from './keysPicture.js';
import { readInput } from '../shared/files.js';
import { listPhotos, readBitmaps } from '../photos/folder.js';
import { openPretrainFiles, readSavedRun, type PretrainFiles, type SavedRun } from './weightFile.js';
import { createProgress, type Output, type Progress } from '../shared/progress.js';
import type { OpenedEngine } from '../transfer/transfer.js';
import { version } from '../shared/version.js';
import { loadVit, type LoadedVit } from '../models/load.js';

export interface PretrainCommand {
  readonly photos: readonly string[];
  readonly out: string;
  /** Weights to begin with. */
  readonly init?: string;
  readonly resume: boolean;
  readonly force: boolean;
  readonly json: boolean;
  /** Steps between saved states; absent: an epoch. */
  readonly saveEvery?: number;
  /** Given on the command line; a resumed run takes the rest from its state. */
  readonly given: Partial<PretrainOptions>;
  readonly options: PretrainOptions;
}

/** What the work needs from outside; tests give their own. */
export interface PretrainParts {
  openEngine(): Promise<OpenedEngine>;
  readonly startPretrain: typeof startPretrain;
  readonly interrupt: AbortSignal;
  readonly stdout: Output;
  readonly stderr: Output;
}

/** Steps between lines of the log. */
const LOG_EVERY = 10;
/** Photos shown in the pictures, and their side in global crops. */
const SHOWN = 6;
const SHOWN_SIDES = 2;
/** No crop needs more detail than this many times the side of the largest. */
const DETAIL = 2;
const MAX_INIT_BYTES = 2e9;

/** Trains. Answers with the exit code: 0, or 130 when interrupted. */
export async function pretrain(command: PretrainCommand, parts: PretrainParts): Promise<number> {
  const saved = command.resume ? await readSavedRun(command.out) : undefined;
  const options = saved ? resumedOptions(saved, command.given) : command.options;
  const problem = optionsProblem(options);
  if (problem) throw new UsageError(`${problem}: choose other sizes`);
  const init = command.init === undefined ? undefined : await readWeights(command.init);
  const teacher = options.teacher === undefined ? undefined : await loadVit(options.teacher);
  if (saved && saved.teacher !== teacher?.sha256) throw new InputError(`${teacher!.path} is not the teacher the run began with: give that file back its name, or start again with --force`);
  const files = await openPretrainFiles(command.out, command);
  let opened: OpenedEngine | undefined;
  let run: PretrainRun | undefined;
  try {
    const photos = await readPhotos(command.photos, teacher ? teacherSide(options, teacher.vit.config) : options.imageSize, parts.stderr);
    if (saved && saved.photos !== photos.hash) throw new InputError('the photos are not those the run began with: give the same folders, or start again with --force');
    opened = await parts.openEngine();
    run = await start(parts, opened, photos.bitmaps, options, { ...(saved && { state: saved.state }), ...(init && { init }), ...(teacher && { teacher: teacher.vit }) });
    await files.begin(saved);
    return await train({ command, options, photos, files, run, ...(teacher && { teacher }), adapter: opened.adapter, parts });
  } finally {
    run?.destroy();
    opened?.close();
    await files.close();
  }
}

/** @throws UsageError for an option that contradicts the saved run */
function resumedOptions({ options }: SavedRun, given: Partial<PretrainOptions>): PretrainOptions {
  for (const [key, value] of Object.entries(given)) {
    const known = options[key as keyof PretrainOptions];
    if (JSON.stringify(known) !== JSON.stringify(value)) throw new UsageError(`the run to resume has ${key} ${String(known)}, not ${String(value)}: leave the option out`);
  }
  return options;
}

async function start(parts: PretrainParts, opened: OpenedEngine, bitmaps: readonly Bitmap[], options: PretrainOptions, begin: PretrainStart): Promise<PretrainRun> {
  if (bitmaps.length < options.batch) throw new InputError(`${bitmaps.length} photos are fewer than the ${options.batch} of one step: give more, or a smaller --batch`);
  return parts.startPretrain(opened.engine, bitmaps, options, begin);
}

async function readWeights(path: string): Promise<Weights> {
  const bytes = await readInput(path, MAX_INIT_BYTES);
  try {
    return parseSafetensors(bytes).tensors;
  } catch (error) {
    throw new InputError(`${path}: ${(error as Error).message}; get the file again`, { cause: error });
  }
}

interface Photos {
  readonly bitmaps: Bitmap[];
  /** Of sizes and pixels, in order. */
  readonly hash: string;
}

async function readPhotos(folders: readonly string[], largestSide: number, stderr: Output): Promise<Photos> {
  const paths = (await Promise.all(folders.map(listPhotos))).flat();
  const progress = createProgress(paths.length, stderr);
  const bitmaps = await readBitmaps(paths, DETAIL * largestSide, (done) => progress.update(done, 'reading photos'));
  progress.finish();
  const hash = createHash('sha256');
  for (const { width, height, data } of bitmaps) hash.update(`${width}x${height} `).update(data);
  return { bitmaps, hash: hash.digest('hex') };
}

interface Training {
  readonly command: PretrainCommand;
  readonly options: PretrainOptions;
  readonly photos: Photos;
  readonly files: PretrainFiles;
  readonly run: PretrainRun;
  readonly teacher?: LoadedVit;
  readonly adapter: AdapterSummary;
  readonly parts: PretrainParts;
}

async function train(training: Training): Promise<number> {
  const { command, options, photos, files, run, teacher, adapter, parts } = training;
  const progress = createProgress(run.totalSteps, parts.stderr);
  progress.note(`${photos.bitmaps.length} photos, ${run.stepsPerEpoch} steps an epoch, ViT of ${options.depth} blocks of ${options.dim}, on ${adapter.device || adapter.driver}${adapter.software ? ' (software: slow)' : ''}`);
  const record = { program: 'splice-gpu', version: version(), photos: command.photos, photoCount: photos.bitmaps.length, photosSha256: photos.hash, init: command.init ?? null, teacher: teacher ? { path: teacher.path, sha256: teacher.sha256 } : null, options, device: adapter };
  const keeper = createKeeper(training);
  await files.config({ ...record, status: 'running' });
  if (run.stepsDone === 0) await keeper.epoch(); // before anything is learned, and so that any moment can be resumed from
  try {
    const status = await loop(training, keeper, progress);
    await keeper.finish();
    await files.config({ ...record, status, stepsDone: run.stepsDone });
    progress.finish();
    const summary = { status, out: files.weightsPath, stepsDone: run.stepsDone, totalSteps: run.totalSteps, last: keeper.last() ?? null };
    parts.stdout.write(command.json ? `${JSON.stringify(summary)}\n` : `${status} after ${run.stepsDone} of ${run.totalSteps} steps: ${files.weightsPath}\n`);
    return status === 'finished' ? 0 : EXIT_INTERRUPTED;
  } catch (error) {
    progress.finish();
    throw error;
  }
}

/** One step is computed while the next one's crops are drawn, no more: an interrupt is answered after two at most. */
async function loop({ command, options, run, parts }: Training, keeper: Keeper, progress: Progress): Promise<'finished' | 'interrupted'> {
  const saveEvery = command.saveEvery ?? run.stepsPerEpoch;
  let previous: Promise<void> = Promise.resolve();
  while (run.stepsDone < run.totalSteps && !parts.interrupt.aborted) {
    run.step();
    await previous;
    const done = run.stepsDone;
    if ((done - 1) % LOG_EVERY === 0 || done === run.totalSteps) await keeper.log();
    if (done % run.stepsPerEpoch === 0) await keeper.epoch();
    else if (done % saveEvery === 0) await keeper.save();
    previous = run.sync();
    previous.catch(() => undefined); // awaited a step later; until then it must not count as unhandled
    const last = keeper.last();
    progress.update(done, `epoch ${Math.ceil(done / run.stepsPerEpoch)}/${options.epochs}${last ? `  loss ${last.loss.toFixed(3)}${last.entropy === undefined ? '' : `  entropy ${last.entropy.toFixed(2)}`}` : ''}`);
  }
  await previous;
  return run.stepsDone < run.totalSteps ? 'interrupted' : 'finished';
}

type Keeper = ReturnType<typeof createKeeper>;

/** Writes what is to be kept, when the loop says so. */
function createKeeper({ options, photos, files, run, teacher }: Training) {
  const side = SHOWN_SIDES * options.imageSize;
  const shown = Array.from({ length: SHOWN }, (_, i) => photos.bitmaps[Math.floor(((i + 0.5) * photos.bitmaps.length) / SHOWN)]!);
  const images = new Float32Array(SHOWN * 3 * side * side);
  shown.forEach((photo, i) => images.set(middleSquare(photo, side), i * 3 * side * side));
  let latest: PretrainStats | undefined;
  let savedAt = -1;

  const save = async (): Promise<void> => {
    await files.save(await run.state(), options, { photos: photos.hash, ...(teacher && { teacher: teacher.sha256 }) });
    savedAt = run.stepsDone;
  };
  const writeWeights = async (): Promise<void> =>
    files.weights(await run.weights(), options, { what: `${teacher ? `learned from ${teacher.vit.name}` : 'DINO self-distillation'}, ${run.stepsDone} steps of ${options.batch} photos, seed ${options.seed}` });
  return {
    last: () => latest,
    log: async () => {
      const stats = await run.stats();
      if (![stats.loss, stats.gradient].every(Number.isFinite)) {
        throw new NonFiniteError(`at step ${stats.step} the loss is not a finite number any more (loss ${stats.loss}, gradient ${stats.gradient}): try a smaller --lr; the state of step ${savedAt} is kept`);
      }
      latest = stats;
      await files.log(stats);
    },
    save,
    /** At the end of an epoch: picture and weights of now, then the state. */
    epoch: async () => {
      const { data, tokens } = await run.keys(images, side);
      await files.picture(run.stepsDone / run.stepsPerEpoch, featurePicture(images, side, data, tokens));
      await writeWeights();
      await save();
    },
    finish: async () => {
      await writeWeights();
      if (savedAt < run.stepsDone) await save();
    },
  };
}
