/** The work of `splice-gpu transfer`: the training of one pair, new or resumed. */
import { join } from 'node:path';
import { serializeSafetensors } from '../../model/files/safetensors.js';
import type { Image } from '../../model/image.js';
import { recentTotal } from '../../model/training/log.js';
import { every } from '../../model/training/loop.js';
import type { GraphMaker } from '../../model/training/memoryNeed.js';
import type { SpliceRun } from '../../model/training/pair.js';
import { termNames } from '../../model/method/options.js';
import { nameOfDevice } from '../gpu/device.js';
import { shipped } from '../models/known.js';
import { labelPicture } from '../photos/labels.js';
import { shorterSide, SHOWN_SIDE, writeImage, type Photo, type Size } from '../photos/photo.js';
import { nameOf } from '../run/about.js';
import type { ResumeOptions } from '../run/config.js';
import { PICTURES, type Painted, type ShownPicture } from '../run/page.js';
import type { Parts } from '../run/parts.js';
import { resumeTraining, startTraining, type Showing } from '../run/run.js';
import { tuned, type Graphs, type Moment, type Repainted, type Session, type Start, type Training } from '../run/training.js';
import { NonFiniteError, UsageError } from '../shared/errors.js';
import { exists, writeFileAtomic } from '../shared/files.js';
import { inputsAt, isBrushable, taking, withPainted } from './brush.js';
import { finish } from './finish.js';
import { moreOf, readInputs, type Inputs } from './inputs.js';
import { parseOptions, type TransferOptions } from './options.js';
import { showSize } from './output.js';
import { describe, generatorMetadata, identityOf, resultText, sourcesOf } from './record.js';
import { nameOfRegion } from './regions.js';
import { JUDGED_SIDE, matchWarning } from './report.js';
import { titlesOf } from './titles.js';
import { untilOf } from './until.js';

/** Trains one pair. Returns the exit code: 0, or 130 when interrupted. @throws before anything is created if an input is wrong */
export const transfer = async (options: TransferOptions, parts: Parts): Promise<number> =>
  startTraining(await prepare(options, parts), options, parts);

/** Resumes the run in a folder from its last checkpoint, as its config.json says. Returns the exit code as `transfer`. */
export const resumeTransfer = (resume: ResumeOptions & Pick<Showing, 'page'>, parts: Parts): Promise<number> =>
  resumeTraining('transfer', resume, parts, (config) => parseOptions(config, resume), (options) => prepare(options, parts));

/**
 * Trains one pair up to `steps` of a longer plan, from the beginning or from where its folder is. It can be resumed as if it had
 * been interrupted there. Returns the exit code: 0, or 130 when it was interrupted before. @throws as `transfer`
 */
export async function transferTo(
  options: TransferOptions, steps: number, parts: Parts, showing: Omit<Showing, 'json' | 'watch'>,
): Promise<number> {
  const part = async (wanted: TransferOptions): Promise<Training> => {
    const training = await prepare(wanted, parts);
    return { ...training, plan: { ...training.plan, stopAt: steps } };
  };
  const { out: folder } = options;
  if (!(await exists(join(folder, 'config.json')))) return startTraining(await part(options), { ...options, ...showing }, parts);
  const resume = { folder, json: false, ...showing };
  return resumeTraining('transfer', resume, parts, (config) => parseOptions(config, resume), part);
}

const sizeOf = ({ image }: Photo): string => showSize(image);

/** A photo beside the result: as it is trained on, or finer if the result gets detail. */
const shownPhoto = async (photo: Photo, target: Size | undefined): Promise<Image> =>
  (target ? photo.again({ atMost: Math.max(SHOWN_SIDE, shorterSide(photo.image)) }) : photo.image);

/** Reads and checks the inputs; creates nothing. */
export const prepare = async (given: TransferOptions, parts: Parts): Promise<Training> =>
  trainingOf(given, await readInputs(given, parts), parts);

function trainingOf(given: TransferOptions, inputs: Inputs, parts: Parts): Training {
  const { options, structure, sequence, appearance, regions, model, target } = inputs;
  const { splice, saveEvery, keepEvery, generator, until, branch } = options;
  if (keepEvery !== undefined && keepEvery % saveEvery !== 0) {
    throw new UsageError(`--keep-every ${keepEvery} is no multiple of --save-every ${saveEvery}: change one of them`);
  }
  const isEnough = until === undefined ? undefined : untilOf(until);
  const titles = titlesOf({ ...splice }, structure.path, appearance.path);
  return {
    command: 'transfer',
    ...(isEnough && { until: isEnough }),
    plan: { warmStart: splice.warmStart, steps: splice.steps, savesAt: every(saveEvery) },
    ...(keepEvery !== undefined && { keepsAt: every(keepEvery) }),
    identity: identityOf(inputs),
    sources: sourcesOf(inputs),
    inputs: [...Object.values(sourcesOf(inputs)), ...(generator ? [generator.path] : [])],
    config: describe(inputs),
    page: {
      title: titles.page,
      facts: [
        ['Recipe', splice.recipe], ['Model', model.vit.name],
        ['Structure', [sizeOf(structure), ...(target ? [showSize(target)] : [])].join(' → ')],
        ['Appearance', sizeOf(appearance)],
        ...(sequence ? [['Frames', String(sequence.photos.length)] as const] : []),
        ...(regions ? [['Regions', String(regions.colours.length)] as const] : []),
        ['ViT side', String(splice.vitSize)], ['Seed', String(splice.seed)],
        ...(branch ? [['Branch of', `${nameOf(branch.from)}, step ${branch.step}`] as const] : []),
      ],
      terms: ['total', ...termNames(splice).slice(0, -1)],
      result: 'Result',
    },
    pictures: picturesOf(inputs),
    title: titles.title,
    memory: {
      use: `photos of ${sizeOf(structure)} and ${sizeOf(appearance)} and a ViT input of ${splice.vitSize}`,
      remedy: `use a smaller --size${splice.checkpointing ? '' : ' or --checkpointing, which needs less'}`,
    },
    product: 'result.png',
    precision: splice.precision,
    // A generator for any pair makes other graphs, and its few steps are over soon.
    ...(!generator && tuned(given, (graph) => graphsOf(inputs, graph))),
    start: (at) => start(inputs, at, parts, (next) => trainingOf(given, next, parts)),
    ...(isBrushable(inputs) && {
      asIn: async (checkpoint, folder) => trainingOf(given, await inputsAt(inputs, checkpoint, folder), parts),
    }),
  };
}

/** Photos and label images, on the page. */
const picturesOf = ({ options, structure, appearance, looks, regions, target }: Inputs): ShownPicture[] => [
  { name: PICTURES.structure, label: 'Structure', image: () => shownPhoto(structure, target) },
  { name: 'appearance', label: 'Appearance', image: () => shownPhoto(appearance, target) },
  ...(target ? [{
    name: PICTURES.fine, label: 'Structure', image: () => structure.again({ shorterSide: shorterSide(target) }),
  }] : []),
  ...looks.map((photo, i): ShownPicture => ({
    name: `appearance-${i + 2}`, label: `Appearance, ${nameOfRegion(options.looks![i + 1]!.colour, options.looks)}`,
    image: async () => photo.image,
  })),
  ...[regions?.structure, regions?.appearance].flatMap((file, i): ShownPicture[] => {
    const label = ['Structure regions', 'Appearance regions'][i]!;
    const name = [PICTURES.structureRegions, PICTURES.appearanceRegions][i]!;
    return file ? [{ name, label, key: file.sha256, image: async () => labelPicture(file) }] : [];
  }),
];

async function graphsOf(inputs: Inputs, graph: GraphMaker): Promise<Graphs> {
  const { options: { splice }, structure, appearance, model } = inputs;
  const { pairSetting } = await import('../../model/training/pair.js');
  const { largestGraphs } = await import('../../model/training/memoryNeed.js');
  const setting = pairSetting(model.vit, structure.image, appearance.image, splice, moreOf(inputs));
  return largestGraphs(setting, undefined, undefined, graph);
}

/** The start of a run: with the recipe's generator, or with one for any pair. */
export const startOf = async (inputs: Inputs, { startSplice }: Parts): Promise<Parts['startSplice']> => {
  const { generator } = inputs.options;
  return generator ? (await import('./fromGenerator.js')).generatorStart(generator, inputs) : startSplice;
};

async function finiteResult(run: Pick<SpliceRun, 'result'>, steps: number): Promise<Image> {
  const picture = await run.result();
  if (picture.data.every(Number.isFinite)) return picture;
  throw new NonFiniteError(`after ${steps} steps the picture holds values that are not finite`);
}

/** The run on a device and what judges its pictures, with lines about what is trained on what. */
async function openPair(inputs: Inputs, { engine, adapter, from }: Start, parts: Parts) {
  const { options, structure, appearance, model: { vit, note }, target } = inputs;
  const pair = [structure.image, appearance.image] as const;
  // A result with detail is judged beside photos that have theirs, as `compare` does.
  const fine = async (photo: Photo): Promise<Image> => (target ? photo.again({ atMost: JUDGED_SIDE }) : photo.image);
  const judged = [await fine(structure), await fine(appearance)] as const;
  const judge = await parts.openJudge(...judged, { engine, vit, vitSize: options.splice.vitSize });
  const startPair = await startOf(inputs, parts);
  const run = await startPair(engine, vit, ...pair, options.splice, from, moreOf(inputs));
  // Random weights cannot tell whether photos match, and a tiny ViT knows too little.
  const canTell = !shipped.some(({ name }) => name === vit.name);
  const warning = matchWarning(canTell ? judge.match : undefined);
  const { recipe, seed } = options.splice;
  const notes = [
    ...inputs.notes,
    `structure ${structure.path} (${sizeOf(structure)}), appearance ${appearance.path} (${sizeOf(appearance)})`,
    `model ${vit.name}, recipe ${recipe}, seed ${seed}, on ${nameOfDevice(adapter)}`,
    ...(note ? [`note: ${note}`] : []),
    ...(warning ? [warning] : []),
  ];
  return { run, judge, judged, notes };
}

async function start(given: Inputs, at: Start, parts: Parts, toTraining: (inputs: Inputs) => Training): Promise<Session> {
  const { engine, folder } = at;
  const { options, model: { vit }, target } = given;
  const { recipe, seed } = options.splice;
  const { run, judge, judged, notes } = await openPair(given, at, parts);
  let inputs = given; // until regions are brushed

  const write = async (picture: Image, { steps, asked }: Moment): Promise<Image> => {
    if (steps > 0 && (asked || steps % options.saveEvery === 0)) await folder.preview(steps, picture);
    const text = resultText(inputs, { steps, first: folder.log.first() });
    if (target) await writeImage(folder.at('trained.png'), picture, text);
    await writeImage(folder.at('result.png'), picture, text);
    const metadata = generatorMetadata(inputs, steps);
    await writeFileAtomic(folder.at('generator.safetensors'), serializeSafetensors(await run.weights(), metadata));
    return picture;
  };
  const repaint = async (painted: Painted | undefined): Promise<Repainted> => {
    const next = await withPainted(inputs, painted, run.stepsDone);
    const take = (): boolean => {
      const taken = taking(inputs, next);
      inputs = taken ?? inputs;
      return taken !== undefined;
    };
    return { training: toTraining(next), take };
  };
  let detailSeconds: number | undefined;
  return {
    run,
    notes,
    // In the warm start a checkpoint alone.
    keep: async (moment) => {
      if (moment.phase === 'warm-start') return async () => undefined;
      const picture = await finiteResult(run, moment.steps);
      return () => write(picture, moment);
    },
    finish: async (ending) => {
      const finished = await finish(inputs, run, ending, { engine, folder, judge, judged, parts });
      detailSeconds = finished.seconds;
      return finished.isWhole;
    },
    ...(isBrushable(inputs) && { repaint }),
    measure: judge.glance,
    draw: () => run.result(),
    summary: (log) => {
      const mean = recentTotal(log, run.stepsDone) ?? null;
      const { seeds } = options;
      return { recipe, model: vit.name, seed, meanTotalOfLast50Steps: mean, seeds, ...(detailSeconds && { detailSeconds }) };
    },
  };
}
