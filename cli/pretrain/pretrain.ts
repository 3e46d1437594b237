/** The work of `splice-gpu pretrain`: a small ViT from folders of photos, new or resumed. */
import { createHash } from 'node:crypto';
import { basename, resolve } from 'node:path';
import { parseSafetensors, serializeSafetensors } from '../../model/files/safetensors.js';
import type { Bitmap, Image } from '../../model/image.js';
import { middleSquare } from '../../model/squares.js';
import {
  cropSide, firstBlocksProblem, FROM_TEACHER, optionsProblem, pretrainDefaults, stepsPerEpoch, studentSides, vitConfigOf,
  type PretrainOptions,
} from '../../model/pretraining/options.js';
import type { PretrainRun } from '../../model/pretraining/pretrain.js';
import type { Weights } from '../../model/vit/config.js';
import { nameOfDevice } from '../gpu/device.js';
import { givenModel, loadVit } from '../models/load.js';
import type { LoadedVit } from '../models/read.js';
import { listPhotos, readBitmaps } from '../photos/folder.js';
import { writeImage } from '../photos/photo.js';
import {
  checkIdentity, checkLike, objectOf, settingsText, textOf, wholeOf, type Fields, type ResumeOptions,
} from '../run/config.js';
import type { Parts } from '../run/parts.js';
import { resumeTraining, startTraining } from '../run/run.js';
import { tuned, type Session, type Start, type Training } from '../run/training.js';
import { InputError, NonFiniteError, UsageError } from '../shared/errors.js';
import { readInput, sha256, writeFileAtomic, writeJson } from '../shared/files.js';
import { createProgress, type Io, type Output } from '../shared/progress.js';
import { version } from '../shared/version.js';
import { keysPicture } from './keysPicture.js';

export interface PretrainCommand {
  readonly photos: readonly string[];
  readonly out: string;
  /** Weights to begin with: a file, or `FROM_TEACHER`. */
  readonly init?: string;
  /** Their SHA-256, of a run that is resumed; versions before 0.2 did not keep it. */
  readonly initSha256?: string;
  /** Steps between checkpoints besides those at the end of an epoch; absent: none. */
  readonly saveEvery?: number;
  readonly force: boolean;
  readonly json: boolean;
  /** Port of the page that shows the training, 0 for any; no page when absent. */
  readonly watch?: number;
  /** False: with the usual kernels, whatever calibration says. */
  readonly tune?: boolean;
  readonly options: PretrainOptions;
}

/** Photos in the pictures of what the ViT sees, and their side in global crops. */
const SHOWN = 6;
const SHOWN_SIDES = 2;
/** Photos are kept with this many times the side of the largest crop: no crop needs more detail. */
const DETAIL = 2;
const MAX_INIT_BYTES = 2e9;
/** Name of the weights to begin with in a run's identity. */
const INIT = 'initial weights';

/** Returns the exit code: 0, or 130 when interrupted. @throws before anything is created if an input is wrong */
export async function pretrain(command: PretrainCommand, parts: Parts): Promise<number> {
  const init = isFile(command.init) ? await readWeights(command.init) : undefined;
  return startTraining(await prepare(command, parts, init), command, parts);
}

/** Resumes the training in a folder from its last checkpoint. Its length is fixed: the schedules span all epochs. */
export const resumePretrain = (resume: ResumeOptions, parts: Parts): Promise<number> =>
  resumeTraining('pretrain', resume, parts, (config) => parseCommand(config, resume), (command) => prepare(command, parts));

const isFile = (init: string | undefined): init is string => init !== undefined && init !== FROM_TEACHER;

/** Weights to begin with, and the SHA-256 of their file. */
interface Init {
  readonly weights: Weights;
  readonly sha256: string;
}

/** A command as `config.pretrain` holds it. */
const savedCommand = ({ photos, init, saveEvery, options }: PretrainCommand, loaded: LoadedVit | undefined) => {
  const { teacher, ...settings } = options;
  const source = teacher !== undefined && loaded && { teacher: givenModel(teacher, loaded) };
  return {
    photos: photos.map((folder) => resolve(folder)), init: isFile(init) ? resolve(init) : init ?? null,
    saveEvery: saveEvery ?? null, options: { ...settings, ...source },
  };
};

const COUNTS: readonly (keyof PretrainOptions)[] = [
  'dim', 'depth', 'heads', 'patch', 'imageSize', 'localSize', 'locals', 'batch', 'epochs', 'seed', 'headHidden', 'bottleneck',
  'prototypes', 'views', 'otherSizes', 'warmupEpochs', 'teacherWarmupEpochs', 'freezeLastLayer',
];

/** @throws Error naming the field that is wrong */
function parseCommand(config: Fields, { folder, json }: ResumeOptions): PretrainCommand {
  const { photos, init, saveEvery, options } = objectOf('pretrain', config['pretrain']);
  const { sha256: initSha256 } = objectOf('init', config['init'] ?? {});
  // Runs that began before these options existed do not name them.
  const { teacher, ...settings } = { views: 0, mixup: 0, otherSizes: [], ...objectOf('options', options) } as Fields;
  if (!Array.isArray(photos) || photos.length === 0) throw new Error('pretrain.photos is not a list of folders');
  checkLike(settings, pretrainDefaults, COUNTS);
  for (const name of ['batch', 'epochs']) wholeOf(`options.${name}`, settings[name]);
  return {
    photos: photos.map((path, i) => textOf(`pretrain.photos[${i}]`, path)),
    out: folder,
    ...(init !== null && { init: textOf('pretrain.init', init) }),
    ...(init !== null && initSha256 !== undefined && { initSha256: textOf('init.sha256', initSha256) }),
    ...(saveEvery !== null && { saveEvery: wholeOf('pretrain.saveEvery', saveEvery) }),
    force: false,
    json,
    options: {
      ...(settings as unknown as PretrainOptions),
      ...(teacher !== undefined && { teacher: textOf('options.teacher', teacher) }),
    },
  };
}

interface Data {
  readonly photos: Photos;
  /** The weights to begin with, in a new run. A resumed one needs them only if it has no checkpoint yet. */
  readonly init?: Init;
  readonly teacher?: LoadedVit;
}

/** Reads and checks the inputs; creates nothing. */
export async function prepare(command: PretrainCommand, parts: Parts, first?: Init): Promise<Training> {
  const { options, photos: folders, init, saveEvery } = command;
  const problem = optionsProblem(options);
  if (problem) throw new UsageError(`${problem}: choose other sizes`);
  const data = { ...(await readData(command, parts)), ...(first && { init: first }) };
  const { photos, teacher } = data;
  if (init === FROM_TEACHER) checkBlocks(options, teacher);
  const { batch, epochs, dim, depth, patch, seed } = options;
  const perEpoch = stepsPerEpoch(photos.bitmaps.length, options);
  if (perEpoch < 1) {
    const problem = `${photos.bitmaps.length} photos are fewer than the ${batch} of one step`;
    throw new InputError(`${problem}: give more, or a smaller --batch`);
  }
  const names = folders.map((folder) => basename(resolve(folder))).join(', ');
  return {
    command: 'pretrain',
    plan: {
      warmStart: 0, steps: perEpoch * epochs,
      savesAt: (steps) => steps % perEpoch === 0 || (saveEvery !== undefined && steps % saveEvery === 0),
    },
    sources: { 'set of photos': names, ...(teacher && { teacher: teacher.path }) },
    inputs: [...folders, ...(isFile(init) ? [init] : []), ...(teacher ? [teacher.path] : [])],
    ...recordsOf(command, data),
    page: {
      title: `A ViT from ${names}`,
      facts: [
        ['Teacher', teacher ? teacher.vit.name : 'its own average (DINO)'],
        ['ViT', `${depth} blocks of ${dim}, patches of ${patch}`], ['Photos', String(photos.bitmaps.length)],
        ['Photos per step', String(batch)], ['Epochs', String(epochs)], ['Seed', String(seed)],
      ],
      terms: ['loss', ...(teacher ? ['cls', 'keys', 'similarity'] : ['entropy']), 'gradient'],
      result: 'What the ViT sees: the main directions of its keys',
    },
    pictures: [],
    title: `${teacher ? 'distillation' : 'self-distillation'}: ${names}, seed ${seed}`,
    memory: {
      use: `${batch} photos per step with crops of ${studentSides(options).join(', ')} pixels`,
      remedy: 'use a smaller --batch, --dim or size of crops (--image-size, --other-sizes)',
    },
    product: 'vit.safetensors',
    ...tuned(command, async (graph) => {
      const { pretrainGraphs } = await import('../../model/pretraining/pretrain.js');
      return pretrainGraphs(graph(), options, teacher?.vit);
    }),
    start: (at) => start(command, data, perEpoch, at, parts),
  };
}

/** The record of a training, and the part of it that a resume compares. */
function recordsOf(command: PretrainCommand, { photos, teacher, init: first }: Data): Pick<Training, 'identity' | 'config'> {
  const { teacher: _, views, mixup, otherSizes, ...settings } = command.options;
  const own = {
    ...settings, ...(views > 0 && { views }), ...(mixup > 0 && { mixup }), ...(otherSizes.length > 0 && { otherSizes }),
  };
  const initSha256 = first?.sha256 ?? command.initSha256;
  const init = initSha256 !== undefined && { path: resolve(command.init!), sha256: initSha256 };
  const begun = command.init === FROM_TEACHER ? FROM_TEACHER : initSha256;
  return {
    identity: {
      'set of photos': photos.hash, settings: settingsText(own),
      ...(teacher && { teacher: teacher.sha256 }), ...(begun !== undefined && { [INIT]: begun }),
    },
    config: {
      pretrain: savedCommand(command, teacher), photoCount: photos.bitmaps.length, photosSha256: photos.hash,
      ...(teacher && { teacher: { path: resolve(teacher.path), sha256: teacher.sha256 } }), ...(init && { init }),
    },
  };
}

/** @throws UsageError without a teacher, or for one whose blocks do not fit this ViT */
function checkBlocks(options: PretrainOptions, teacher: LoadedVit | undefined): void {
  if (!teacher) throw new UsageError(`--init ${FROM_TEACHER} has no effect without --teacher: give one, or a file of weights`);
  const problem = firstBlocksProblem(options, teacher.vit.config);
  if (problem) throw new UsageError(`--init ${FROM_TEACHER}: ${teacher.path}: ${problem}`);
}

async function readData({ options, photos: folders }: PretrainCommand, { interrupt, stderr }: Io): Promise<Data> {
  const fetching = { signal: interrupt, output: stderr };
  const teacher = options.teacher === undefined ? undefined : await loadVit(options.teacher, {}, fetching);
  const photos = await readPhotos(folders, teacher ? cropSide(options, teacher.vit.config) : options.imageSize, stderr);
  return { photos, ...(teacher && { teacher }) };
}

async function readWeights(path: string): Promise<Init> {
  const bytes = await readInput(path, MAX_INIT_BYTES);
  try {
    return { weights: parseSafetensors(bytes).tensors, sha256: sha256(bytes) };
  } catch (error) {
    throw new InputError(`${path}: ${(error as Error).message}; get the file again`, { cause: error });
  }
}

/** The weights that a run began with, which is resumed before its first checkpoint. @throws InputError when they are others */
async function weightsAgain({ init: path, initSha256, out }: PretrainCommand): Promise<Weights | undefined> {
  if (!isFile(path)) return undefined;
  const { weights, sha256: found } = await readWeights(path);
  checkIdentity(out, { [INIT]: initSha256 ?? found }, { [INIT]: found }, { [INIT]: path });
  return weights;
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

async function start(
  command: PretrainCommand, { photos: { bitmaps }, init: given, teacher }: Data, perEpoch: number, at: Start, parts: Parts,
): Promise<Session> {
  const { options, out } = command;
  const { engine, adapter, folder, from } = at;
  const init = from ? undefined
    : command.init === FROM_TEACHER ? FROM_TEACHER : given?.weights ?? (await weightsAgain(command));
  const begin = { ...(from && { state: from }), ...(init && { init }), ...(teacher && { teacher: teacher.vit }) };
  const run = await parts.startPretrain(engine, bitmaps, options, begin);
  const { batch, depth, dim, seed } = options;
  const draw = picturesOf(run, bitmaps, options);
  return {
    run,
    notes: [
      `${bitmaps.length} photos, ${perEpoch} steps an epoch`,
      `ViT of ${depth} blocks of ${dim}, on ${nameOfDevice(adapter)}`,
    ],
    keep: async ({ steps, asked, last }) => {
      const isEpoch = steps % perEpoch === 0;
      if (!isEpoch && !asked && !last) return async () => undefined; // a checkpoint alone
      const weights = await run.weights();
      if (![...weights.values()].every(({ data }) => data.every(Number.isFinite))) {
        throw new NonFiniteError(`after ${steps} steps the ViT holds values that are not finite`);
      }
      return async () => {
        const picture = await draw();
        if (isEpoch || asked) await folder.preview(steps, picture);
        await writeImage(folder.at('result.png'), picture, { Software: `splice-gpu ${version()}`, Steps: String(steps) });
        await writeFileAtomic(folder.at('vit.safetensors'), serializeSafetensors(weights, { format: 'pt' }, 'F16'));
        const way = teacher ? `learned from ${teacher.vit.name}` : 'DINO self-distillation';
        const about = { name: basename(resolve(out)), what: `${way}, ${steps} steps of ${batch} photos, seed ${seed}` };
        const { heads, patch, image, mean, std } = vitConfigOf(options);
        await writeJson(folder.at('vit.json'), { ...about, dim, depth, heads, patch, image, mean, std });
        return picture;
      };
    },
    summary: () => ({ totalSteps: perEpoch * options.epochs }),
  };
}

/** Draws what the ViT sees in some of the photos. */
function picturesOf(run: PretrainRun, bitmaps: readonly Bitmap[], { imageSize }: PretrainOptions): () => Promise<Image> {
  const side = SHOWN_SIDES * imageSize;
  const images = new Float32Array(SHOWN * 3 * side * side);
  for (let i = 0; i < SHOWN; i++) {
    const photo = bitmaps[Math.floor(((i + 0.5) * bitmaps.length) / SHOWN)]!;
    images.set(middleSquare(photo, side), i * 3 * side * side);
  }
  return async () => {
    const { data, tokens } = await run.keys(images, side);
    return keysPicture(images, side, data, tokens);
  };
}
