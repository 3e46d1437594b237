/** The work of `splice-gpu transfer`: the training of one pair, new or resumed. */
import { join, resolve } from 'node:path';
import type { Figures } from '../../model/compare/judge.js';
import { serializeSafetensors } from '../../model/files/safetensors.js';
import type { Image } from '../../model/image.js';
import { termNames, withoutUnused } from '../../model/method/options.js';
import { nameOfDevice } from '../gpu/device.js';
import { shipped } from '../models/known.js';
import { givenModel } from '../models/load.js';
import { triptych } from '../photos/grid.js';
import { writeImage, type Photo } from '../photos/photo.js';
import { MODEL_KEYWORD, type PngText } from '../photos/pngText.js';
import { nameOf, shortPath } from '../run/about.js';
import type { Identity } from '../run/checkpoints.js';
import { settingsText, type ResumeOptions } from '../run/config.js';
import { recentTotal } from '../run/log.js';
import { every } from '../run/loop.js';
import type { Parts } from '../run/parts.js';
import { resumeTraining, startTraining, type Showing } from '../run/run.js';
import type { Moment, Session, Start, Training } from '../run/training.js';
import { NonFiniteError } from '../shared/errors.js';
import { exists, writeFileAtomic, writeJson } from '../shared/files.js';
import { version } from '../shared/version.js';
import { readInputs, type Inputs } from './inputs.js';
import { parseOptions, savedOptions, type TransferOptions } from './options.js';
import { seedScores } from './seeds/scores.js';
import { matchWarning, trivialRows } from './report.js';
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
  options: TransferOptions, steps: number, parts: Parts, showing: Pick<Showing, 'page' | 'brief'>,
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

const sizeOf = ({ image }: Photo): string => `${image.width} x ${image.height}`;

/** Reads and checks the inputs; creates nothing. */
export async function prepare(options: TransferOptions, parts: Parts): Promise<Training> {
  const inputs = await readInputs(options, parts);
  const { structure, appearance, model } = inputs;
  const { splice, saveEvery, generator, until } = options;
  const isEnough = until === undefined ? undefined : untilOf(until);
  return {
    command: 'transfer',
    ...(isEnough && { until: isEnough }),
    plan: { warmStart: splice.warmStart, steps: splice.steps, savesAt: every(saveEvery) },
    identity: identityOf(options, inputs),
    sources: { 'structure photo': structure.path, 'appearance photo': appearance.path, 'ViT weights': model.path },
    inputs: [structure.path, appearance.path, model.path, ...(generator ? [generator.path] : [])],
    config: describe(options, inputs),
    page: {
      title: `${nameOf(structure.path)} as ${nameOf(appearance.path)}`,
      facts: [
        ['Recipe', splice.recipe], ['Model', model.vit.name], ['Structure', sizeOf(structure)],
        ['Appearance', sizeOf(appearance)], ['ViT side', String(splice.vitSize)], ['Seed', String(splice.seed)],
      ],
      terms: ['total', ...termNames(splice).slice(0, -1)],
      result: 'Result',
    },
    pictures: [
      { name: 'structure', label: 'Structure', image: structure.image },
      { name: 'appearance', label: 'Appearance', image: appearance.image },
    ],
    title: `${splice.recipe}: ${shortPath(structure.path)} as ${shortPath(appearance.path)}, seed ${splice.seed}`,
    memory: {
      use: `photos of ${sizeOf(structure)} and ${sizeOf(appearance)} and a ViT input of ${splice.vitSize}`,
      remedy: `use a smaller --size${splice.checkpointing ? '' : ' or --checkpointing, which needs less'}`,
    },
    product: 'result.png',
    start: (at) => start(options, inputs, at, parts),
  };
}

function identityOf({ splice, size, generator }: TransferOptions, { structure, appearance, model }: Inputs): Identity {
  return {
    'structure photo': structure.sha256,
    'appearance photo': appearance.sha256,
    'ViT weights': model.sha256,
    'ViT settings': JSON.stringify(model.vit.config),
    settings: settingsText({ ...withoutUnused(splice), size: size ?? null }),
    ...(generator && { 'generator for all pairs': generator.sha256 }),
  };
}

const describePhoto = ({ path, sha256, format, width, height, image }: Photo) =>
  ({ path: resolve(path), sha256, format, size: [width, height], usedSize: [image.width, image.height] });

function describe(options: TransferOptions, { structure, appearance, model: loaded }: Inputs) {
  const { generator, model } = options;
  const { vit, path, sha256 } = loaded;
  return {
    options: savedOptions(options),
    ...(generator && { generator: { path: resolve(generator.path), sha256: generator.sha256 } }),
    structure: describePhoto(structure),
    appearance: describePhoto(appearance),
    model: { given: givenModel(model, loaded), name: vit.name, path: resolve(path), sha256, config: vit.config },
  };
}

/** The start of a run: with the recipe's generator, or with one for any pair. */
const startOf = async ({ generator }: TransferOptions, inputs: Inputs, { startSplice }: Parts): Promise<Parts['startSplice']> =>
  generator ? (await import('./fromGenerator.js')).generatorStart(generator, inputs) : startSplice;

async function start(options: TransferOptions, inputs: Inputs, at: Start, parts: Parts): Promise<Session> {
  const { engine, adapter, folder, from } = at;
  const { structure, appearance, model: { vit, note } } = inputs;
  const pair = [structure.image, appearance.image] as const;
  const judge = await parts.openJudge(...pair, { engine, vit, vitSize: options.splice.vitSize });
  const startPair = await startOf(options, inputs, parts);
  const run = await startPair(engine, vit, ...pair, options.splice, from);
  // Random weights cannot tell whether photos match, and a tiny ViT knows too little.
  const canTell = !shipped.some(({ name }) => name === vit.name);
  const warning = matchWarning(canTell ? judge.match : undefined);
  const { recipe, seed } = options.splice;

  const pictures = async ({ steps, asked }: Moment): Promise<Image> => {
    const picture = await run.result();
    if (!picture.data.every(Number.isFinite)) {
      throw new NonFiniteError(`after ${steps} steps the picture holds values that are not finite`);
    }
    if (steps > 0 && (asked || steps % options.saveEvery === 0)) await folder.preview(steps, picture);
    await writeImage(folder.at('result.png'), picture, resultText(options, inputs, steps));
    const metadata = generatorMetadata(options, inputs, steps);
    await writeFileAtomic(folder.at('generator.safetensors'), serializeSafetensors(await run.weights(), metadata));
    return picture;
  };
  return {
    run,
    notes: [
      `structure ${structure.path} (${sizeOf(structure)}), appearance ${appearance.path} (${sizeOf(appearance)})`,
      `model ${vit.name}, recipe ${recipe}, seed ${seed}, on ${nameOfDevice(adapter)}`,
      ...(note ? [`note: ${note}`] : []),
      ...(warning ? [warning] : []),
    ],
    keep: async (moment) => {
      if (moment.phase === 'warm-start') return undefined; // a checkpoint alone
      const picture = await pictures(moment);
      if (!moment.last) return picture;
      await writeImage(folder.at('triptych.png'), await triptych(structure.image, picture, appearance.image));
      const figures = await judge.judge(picture);
      const baselines = await trivialRows(judge, ...pair);
      const report = { judge: vit.name, match: judge.match ?? null, result: figures, baselines };
      await writeJson(folder.at('report.json'), options.seeds ? { ...report, seeds: await seedScores(folder.path) } : report);
      await writeImage(folder.at('result.png'), picture, resultText(options, inputs, moment.steps, figures));
      return picture;
    },
    measure: judge.glance,
    draw: () => run.result(),
    summary: (log) => {
      const mean = recentTotal(log, run.stepsDone);
      return { recipe, model: vit.name, seed, meanTotalOfLast50Steps: mean ?? null, seeds: options.seeds };
    },
  };
}

/** The texts inside result.png: enough to repeat it, and its figures once it is finished. */
const resultText = (
  options: TransferOptions, { structure, appearance, model }: Inputs, steps: number, figures?: Figures,
): PngText => ({
  Software: `splice-gpu ${version()}`,
  Seed: String(options.splice.seed),
  Steps: String(steps),
  Model: model.vit.name,
  [MODEL_KEYWORD]: model.sha256,
  Settings: JSON.stringify({ ...savedOptions(options), structure: structure.sha256, appearance: appearance.sha256 }),
  ...(figures && { Figures: JSON.stringify(figures) }),
});

const generatorMetadata = ({ splice }: TransferOptions, { structure, appearance }: Inputs, steps: number) => ({
  format: 'splice-gpu generator',
  recipe: splice.recipe,
  steps: String(steps),
  seed: String(splice.seed),
  structureSize: `${structure.image.width}x${structure.image.height}`,
  appearanceSize: `${appearance.image.width}x${appearance.image.height}`,
});
